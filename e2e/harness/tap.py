"""A pass-through in front of a listener that keeps every byte of its answers.

It stands between the clients and Keystore, so that what clients are told can be searched for secrets whichever client it was.
It reads nothing of the protocol and forwards each piece as it arrives.
"""

import asyncio
import itertools
import socket
import threading


class Tap:
    """Listens on a loopback port of its own and forwards to `host:port`. Answers go to files, one a connection."""

    def __init__(self, target, folder):
        host, _, port = target.removeprefix("http://").partition(":")
        self.target = (host, int(port))
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.numbers = itertools.count()
        self.loop = asyncio.new_event_loop()
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        started = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(listener, started), daemon=True)
        self.thread.start()
        started.wait()

    def _run(self, listener, started):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self._connection, sock=listener))
        started.set()
        self.loop.run_forever()

    async def _connection(self, reader, writer):
        try:
            upstream = await asyncio.open_connection(*self.target)
        except OSError:
            writer.close()
            return
        with (self.folder / f"{next(self.numbers):05}.bin").open("wb") as record:
            await asyncio.gather(
                self._forward(reader, upstream[1], None),
                self._forward(upstream[0], writer, record),
            )

    @staticmethod
    async def _forward(reader, writer, record):
        try:
            while piece := await reader.read(65536):
                if record:
                    record.write(piece)
                    record.flush()
                writer.write(piece)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            pass
        finally:
            if record:
                writer.close()

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)

    def answers(self):
        """Everything that was answered, a piece a connection."""
        return [path.read_bytes() for path in sorted(self.folder.iterdir())]
