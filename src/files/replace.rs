// SPDX-License-Identifier: MIT OR Apache-2.0
//! A small file (a report, a drawing) that is written whole or not at all, over what may be there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::writer::directory;

/// Writes a temporary file beside `path`, brings it to the disk and renames it. Whatever goes wrong, and whenever
/// the process ends, `path` is what it was or the whole of `bytes`.
///
/// A symbolic link stays one, and the file behind it is replaced with its permissions kept; owner and further hard
/// links are not. What is no file (a pipe) or stands below `/dev` or `/proc` is written to as it is.
///
/// # Errors
/// The system's; a file that may not be written is not replaced either.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let device = ["/dev", "/proc"].iter().any(|root| path.starts_with(root));
    let (target, permissions) = match fs::metadata(path) {
        Ok(there) if device || !there.is_file() => return fs::write(path, bytes),
        Ok(there) => {
            let target = path.canonicalize()?;
            File::options().write(true).open(&target)?;
            (target, Some(there.permissions()))
        }
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        // A link to nothing: its file is made.
        Err(_) if fs::symlink_metadata(path).is_ok() => return fs::write(path, bytes),
        Err(_) => (path.to_path_buf(), None),
    };
    let folder = directory(&target);
    // Nobody reads what only its owner may before it has its permissions.
    let mode = if permissions.is_some() { 0o600 } else { 0o666 };
    let mut temporary = tempfile::Builder::new()
        .prefix(".lathe-")
        .suffix(".tmp")
        .make_in(folder, |name| File::options().write(true).create_new(true).mode(mode).open(name))?;
    temporary.write_all(bytes)?;
    if let Some(permissions) = permissions {
        temporary.as_file().set_permissions(permissions)?;
    }
    temporary.as_file().sync_all()?;
    temporary.persist(&target).map_err(|e| e.error)?;
    // The name itself is on the disk once its directory is.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn it_is_written_whole_over_what_was_there_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("a.html"), dir.path().join("link.html"));
        replace(&file, b"first").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("a.html", &link).unwrap();
        replace(&link, b"second").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"second");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(dir.path()), ["a.html", "link.html"]);
        let dangling = dir.path().join("new.html");
        symlink("made.html", &dangling).unwrap();
        replace(&dangling, b"third").unwrap();
        assert_eq!(fs::read(dir.path().join("made.html")).unwrap(), b"third");
        assert!(fs::symlink_metadata(&dangling).unwrap().is_symlink());
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        assert!(replace(dir.path(), b"x").is_err());
        assert!(replace(&dir.path().join("no/where.html"), b"x").is_err());
        replace(Path::new("/dev/null"), b"x").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert!(names(dir.path()).is_empty());
    }
}
