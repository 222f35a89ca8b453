// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a recording is written to, as a trait: tests put disks in its place that are full or fail.

use std::fs::File;
use std::io::{self, Seek, Write};

/// A file, as far as a recording needs one.
pub trait Storage: Write + Seek + Send {
    /// Cuts the file to this length.
    fn set_len(&mut self, bytes: u64) -> io::Result<()>;
    /// Brings everything to the disk.
    fn sync(&mut self) -> io::Result<()>;
}

impl Storage for File {
    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        File::set_len(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

impl Storage for Box<dyn Storage> {
    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        (**self).set_len(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        (**self).sync()
    }
}
