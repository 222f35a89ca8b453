// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets, bound before anything says "ready".

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::exit::Exit;

/// Why a socket was not bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error(
        "cannot listen on {0}: that is not a loopback address, and beyond this machine TLS and a token are \
         needed, which this version does not have; use 127.0.0.1 or [::1], and a tunnel (ssh -L) from elsewhere"
    )]
    NotLoopback(SocketAddr),
    #[error("cannot listen on {0}: the address is in use; stop who has it, or choose another port (0: any)")]
    InUse(SocketAddr),
    #[error("cannot listen on {0}: {1}")]
    Address(SocketAddr, io::Error),
    #[error("cannot listen on {}: another process listens there; stop it, or choose another path", .0.display())]
    SocketInUse(PathBuf),
    #[error("cannot listen on {}: it is there and is no socket; choose another path", .0.display())]
    NoSocket(PathBuf),
    #[error("cannot listen on {}: {}", .0.display(), .1)]
    Socket(PathBuf, io::Error),
}

impl BindError {
    /// What a program ends with that cannot go on without it.
    pub fn exit(&self) -> Exit {
        match self {
            BindError::NotLoopback(_) | BindError::NoSocket(_) => Exit::Config,
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
    if let Ok(there) = std::fs::symlink_metadata(path) {
        if !std::os::unix::fs::FileTypeExt::is_socket(&there.file_type()) {
            return Err(BindError::NoSocket(path.to_path_buf()));
        }
        if UnixStream::connect(path).is_ok() {
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
        std::fs::write(&path, "mine").unwrap();
        assert!(matches!(bind_socket(&path), Err(BindError::NoSocket(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    }
}
