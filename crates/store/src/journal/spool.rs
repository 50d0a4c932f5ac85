//! The spool: a file made in advance that takes outcomes while the database cannot be written, so that a full disk does
//! not lose what running calls cost.
//!
//! A frame is its length and its CRC-32 (both u32, little-endian) and its bytes; a length of zero ends the file. A frame
//! that was torn by a crash fails its CRC and ends the file too. Its blocking writes are made on the journal's own task, and
//! only during an outage.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const HEADER: usize = 8;
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// An open spool.
pub(crate) struct Spool {
    file: File,
    size: u64,
    end: u64,
}

impl Spool {
    /// Opens the spool and gives its frames. Makes it, with `size` bytes on the disk, when it is not there.
    pub(crate) fn open(path: &Path, size: u64) -> io::Result<(Self, Vec<Vec<u8>>)> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path)?;
        if file.metadata()?.len() < size {
            allocate(&file, size)?;
        }
        let size = file.metadata()?.len();
        let mut spool = Self { file, size, end: 0 };
        let mut frames = Vec::new();
        while let Some(frame) = spool.frame_at(spool.end)? {
            spool.end += (HEADER + frame.len()) as u64;
            frames.push(frame);
        }
        Ok((spool, frames))
    }

    fn frame_at(&self, offset: u64) -> io::Result<Option<Vec<u8>>> {
        if offset + HEADER as u64 > self.size {
            return Ok(None);
        }
        let mut header = [0; HEADER];
        self.file.read_exact_at(&mut header, offset)?;
        let [a, b, c, d, e, f, g, h] = header;
        let (length, sum) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        let body_at = offset + HEADER as u64;
        if length == 0 || body_at + u64::from(length) > self.size {
            return Ok(None);
        }
        let mut body = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file.read_exact_at(&mut body, body_at)?;
        Ok((CRC.checksum(&body) == sum).then_some(body))
    }

    /// Appends a frame and syncs it. Fails with `StorageFull` when there is no room.
    pub(crate) fn append(&mut self, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len()).map_err(|_| io::ErrorKind::StorageFull)?;
        let end = self.end + (HEADER + body.len()) as u64;
        // Room for the zero length that ends the file.
        if end + 4 > self.size {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut frame = Vec::with_capacity(HEADER + body.len() + 4);
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(&CRC.checksum(body).to_le_bytes());
        frame.extend_from_slice(body);
        frame.extend_from_slice(&[0; 4]);
        self.file.write_all_at(&frame, self.end)?;
        self.file.sync_data()?;
        self.end = end;
        Ok(())
    }

    /// The frames that were appended, from the beginning: all of them, or an error.
    pub(crate) fn frames(&self) -> io::Result<Vec<Vec<u8>>> {
        let (mut offset, mut frames) = (0, Vec::new());
        while offset < self.end {
            let lost = || {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a frame of the spool is not as it was written",
                )
            };
            let frame = self.frame_at(offset)?.ok_or_else(lost)?;
            offset += (HEADER + frame.len()) as u64;
            frames.push(frame);
        }
        Ok(frames)
    }

    /// Empties the spool, once everything in it is in the journal.
    pub(crate) fn reset(&mut self) -> io::Result<()> {
        self.file.write_all_at(&[0; HEADER], 0)?;
        // What is appended from here on begins anew, also where the disk does not say that it is empty.
        self.end = 0;
        self.file.sync_data()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.end == 0
    }
}

/// Reserves `size` bytes. Where the file system cannot, they are written.
fn allocate(file: &File, size: u64) -> io::Result<()> {
    let from = file.metadata()?.len();
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, size) {
        Ok(()) => {}
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
            let zeros = [0; 64 << 10];
            let mut offset = from;
            while offset < size {
                let part = usize::try_from((size - offset).min(zeros.len() as u64)).unwrap_or(0);
                file.write_all_at(&zeros[..part], offset)?;
                offset += part as u64;
            }
        }
        Err(error) => return Err(error.into()),
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_and_a_torn_tail_ends_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.bin");
        let (mut spool, found) = Spool::open(&path, 4096).unwrap();
        assert!(found.is_empty() && spool.is_empty());
        spool.append(b"one").unwrap();
        spool.append(b"two, longer").unwrap();
        let tail = spool.end;
        spool.append(b"three").unwrap();
        // Tear the last frame: one byte of its body is not what was summed.
        spool.file.write_all_at(b"X", tail + HEADER as u64).unwrap();
        drop(spool);
        let (mut spool, found) = Spool::open(&path, 4096).unwrap();
        assert_eq!(found, [b"one".to_vec(), b"two, longer".to_vec()]);
        spool.append(b"four").unwrap();
        assert_eq!(spool.frames().unwrap()[2], b"four");
        spool.file.write_all_at(b"X", HEADER as u64).unwrap();
        assert_eq!(spool.frames().unwrap_err().kind(), io::ErrorKind::InvalidData);
        spool.reset().unwrap();
        drop(spool);
        assert!(Spool::open(&path, 4096).unwrap().1.is_empty());
    }

    #[test]
    fn a_full_spool_says_so_and_keeps_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.bin");
        let (mut spool, _) = Spool::open(&path, 64).unwrap();
        spool.append(&[7; 40]).unwrap();
        assert_eq!(
            spool.append(&[8; 40]).unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
        drop(spool);
        assert_eq!(Spool::open(&path, 64).unwrap().1, [vec![7; 40]]);
    }

    #[test]
    fn the_file_takes_its_room_in_advance() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.bin");
        Spool::open(&path, 1 << 20).unwrap();
        let found = path.metadata().unwrap();
        assert_eq!((found.len(), found.blocks() * 512 >= 1 << 20), (1 << 20, true));
    }
}
