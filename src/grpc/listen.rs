// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets, bound before anything says "ready".

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::exit::Exit;

/// Bytes of a Unix socket's path: what the system takes, less what is appended while it is made.
const LONGEST_PATH: usize = 107 - ".4194304".len();

/// Why a socket was not bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error(
        "cannot listen on {0}: that is not a loopback address, and this version has no TLS and no tokens; \
         listen on 127.0.0.1 or [::1], and go through a tunnel (ssh -L) from elsewhere"
    )]
    NotLoopback(SocketAddr),
    #[error("cannot listen on {0}: the address is in use; stop who has it, or choose another port (0: any)")]
    InUse(SocketAddr),
    #[error("cannot listen on {0}: {1}")]
    Address(SocketAddr, io::Error),
    #[error("cannot listen on {}: another process listens there; stop it, or choose another path", .0.display())]
    SocketInUse(PathBuf),
    #[error(
        "cannot listen on {}: the path has {} bytes, and a Unix socket's may have {LONGEST_PATH}; choose a \
         shorter one", .0.display(), .0.as_os_str().len()
    )]
    TooLong(PathBuf),
    #[error("cannot listen on {}: it is there and is no socket; choose another path", .0.display())]
    NoSocket(PathBuf),
    #[error("cannot listen on {}: {}", .0.display(), .1)]
    Socket(PathBuf, io::Error),
}

impl BindError {
    /// What a program ends with that cannot go on without it.
    pub fn exit(&self) -> Exit {
        match self {
            BindError::NotLoopback(_) | BindError::NoSocket(_) | BindError::TooLong(_) => Exit::Config,
            _ => Exit::Unavailable,
        }
    }
}

/// What the server listens on.
#[derive(Debug, Default)]
pub struct Listeners {
    pub tcp: Vec<TcpListener>,
    pub sockets: Vec<Socket>,
}

/// A Unix socket, whose file is removed with it.
#[derive(Debug)]
pub struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file, so that nobody else's is removed.
    file: Option<(u64, u64)>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.file.is_some() && self.file == number(&self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn number(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|m| (m.dev(), m.ino()))
}

/// A TCP socket on a loopback address; port 0 is any free one.
///
/// # Errors
/// Every other address is refused.
pub fn bind(addr: SocketAddr) -> Result<TcpListener, BindError> {
    if !addr.ip().to_canonical().is_loopback() {
        return Err(BindError::NotLoopback(addr));
    }
    let refused = |e: io::Error| match e.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(addr),
        _ => BindError::Address(addr, e),
    };
    let listener = TcpListener::bind(addr).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    Ok(listener)
}

/// A Unix socket for the owner and the group. What a process left behind that ended is replaced.
///
/// # Errors
/// Somebody listens there, or something else is there.
pub fn bind_socket(path: &Path) -> Result<Socket, BindError> {
    let refused = |e| BindError::Socket(path.to_path_buf(), e);
    if path.as_os_str().as_bytes().len() > LONGEST_PATH {
        return Err(BindError::TooLong(path.to_path_buf()));
    }
    if let Ok(there) = std::fs::symlink_metadata(path) {
        if !std::os::unix::fs::FileTypeExt::is_socket(&there.file_type()) {
            return Err(BindError::NoSocket(path.to_path_buf()));
        }
        if !is_left_behind(path).map_err(|e| refused(e.into()))? {
            return Err(BindError::SocketInUse(path.to_path_buf()));
        }
    }
    // Under another name first: nobody can connect before the rights are what they should be.
    let mut name = path.as_os_str().to_os_string();
    name.push(format!(".{}", std::process::id()));
    let new = PathBuf::from(name);
    let _ = std::fs::remove_file(&new);
    let listener = UnixListener::bind(&new).map_err(refused)?;
    let placed = listener
        .set_nonblocking(true)
        .and_then(|()| std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o660)))
        .and_then(|()| std::fs::rename(&new, path));
    if let Err(e) = placed {
        let _ = std::fs::remove_file(&new);
        return Err(refused(e));
    }
    Ok(Socket { listener, path: path.to_path_buf(), file: number(path) })
}

/// True if nobody can answer at a socket's file any more. A process that is too busy to answer still can.
fn is_left_behind(path: &Path) -> Result<bool, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let probe = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&probe, &SocketAddrUnix::new(path)?) {
        Ok(()) | Err(Errno::AGAIN) => Ok(false),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(true),
        // A socket of another kind, or one that we may not connect to: it is somebody's.
        Err(Errno::PROTOTYPE | Errno::ACCESS | Errno::PERM) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback() {
        for bad in ["0.0.0.0:0", "[::]:0", "192.168.1.5:7701", "[::ffff:10.0.0.1]:0"] {
            let error = bind(bad.parse().unwrap()).unwrap_err();
            assert!(matches!(error, BindError::NotLoopback(_)), "{error}");
            assert_eq!(error.exit(), Exit::Config);
        }
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = bind(first.local_addr().unwrap()).unwrap_err();
        assert!(matches!(error, BindError::InUse(_)), "{error}");
        assert_eq!(error.exit(), Exit::Unavailable);
    }

    #[test]
    fn a_socket_is_the_groups_and_goes_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lathe.sock");
        let socket = bind_socket(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(matches!(bind_socket(&path), Err(BindError::SocketInUse(_))));
        drop(socket);
        assert!(!path.exists());
        drop(UnixListener::bind(&path).unwrap()); // leaves its file
        drop(bind_socket(&path).unwrap());
        assert!(!path.exists(), "and the one that replaced it went with its owner");
        std::fs::write(&path, "mine").unwrap();
        assert!(matches!(bind_socket(&path), Err(BindError::NoSocket(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    }

    #[test]
    fn only_what_nobody_answers_at_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("busy.sock");
        // A listener with a line of one that is full: connecting to it would wait.
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        let _waits = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let begin = std::time::Instant::now();
        assert!(matches!(bind_socket(&path), Err(BindError::SocketInUse(_))));
        assert!(begin.elapsed().as_millis() < 500, "it does not wait: {:?}", begin.elapsed());
        let other = dir.path().join("datagrams.sock");
        let _log = std::os::unix::net::UnixDatagram::bind(&other).unwrap();
        assert!(matches!(bind_socket(&other), Err(BindError::SocketInUse(_))));
        // Ours, but somebody replaced the file: theirs stays.
        let ours = dir.path().join("ours.sock");
        let socket = bind_socket(&ours).unwrap();
        std::fs::remove_file(&ours).unwrap();
        std::fs::write(&ours, "theirs").unwrap();
        drop(socket);
        assert_eq!(std::fs::read_to_string(&ours).unwrap(), "theirs");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "nothing else is left");
    }

    #[test]
    fn a_path_has_a_length_that_fits_or_is_refused_with_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let room = LONGEST_PATH - dir.path().as_os_str().len() - 1;
        drop(bind_socket(&dir.path().join("a".repeat(room))).unwrap());
        let error = bind_socket(&dir.path().join("a".repeat(room + 1))).unwrap_err();
        assert!(matches!(error, BindError::TooLong(_)) && error.exit() == Exit::Config);
        assert!(
            error.to_string().contains("100 bytes") && error.to_string().contains("may have 99"),
            "{error}"
        );
        let error = bind_socket(&dir.path().join("none/lathe.sock")).unwrap_err();
        assert!(error.to_string().contains("none/lathe.sock"), "{error}");
    }
}
