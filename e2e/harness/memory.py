"""What stands in the memory of a process, seen from outside. It takes root: to the process's own user its memory is closed."""

import re


def count(process_id, needle):
    """How often these bytes stand in the writable memory of a process."""
    found = 0
    with open(f"/proc/{process_id}/maps") as maps, open(f"/proc/{process_id}/mem", "rb", buffering=0) as memory:
        for line in maps:
            begin, end, rights, name = re.match(r"(\w+)-(\w+) (\S+) \S+ \S+ \S+\s*(.*)", line).groups()
            if "w" not in rights or name.startswith("[v"):
                continue
            begin, end = int(begin, 16), int(end, 16)
            try:
                memory.seek(begin)
                found += memory.read(end - begin).count(needle)
            except (OSError, ValueError):  # Given back meanwhile, or of a device.
                continue
    return found
