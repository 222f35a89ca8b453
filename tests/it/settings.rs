// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine's settings as a running daemon has them: addresses, the Unix socket, the state directory.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::lathed::Lathed;

/// Starts the program as a user would, without the addresses that other tests leave out.
fn refused(args: &[&str]) -> (Option<i32>, String) {
    let out = Lathed::plain(args).output().unwrap();
    assert!(out.stdout.is_empty(), "nothing on stdout: {out:?}");
    (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
}

fn config(dir: &Path, text: &str) -> String {
    let path = dir.join("lathed.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_string()
}

#[test]
fn the_file_names_addresses_socket_and_state_and_flags_win() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, state) = (dir.path().join("lathe.sock"), dir.path().join("state"));
    let text = format!(
        "[audio]\nbackend = \"clock\"\n[osc]\nlisten = \"\"\n[http]\nlisten = \"127.0.0.1:0\"\nsocket = {:?}\n\
         [state]\ndir = {:?}\n",
        socket.to_str().unwrap(),
        state.to_str().unwrap()
    );
    let file = config(dir.path(), &text);
    let mut daemon = Lathed::launch(Lathed::plain(&["--config", &file]));
    assert_eq!(daemon.ready("osc"), "off");
    let address = daemon.ready("http").to_string();
    assert!(address.starts_with("127.0.0.1:") && !address.ends_with(":0"), "{address}");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    UnixStream::connect(&socket).unwrap();
    assert!(state.join("lock").exists());
    // A second daemon, by flags alone: another state, the same socket.
    let (code, said) =
        refused(&["--config", &file, "--state-dir", dir.path().join("other").to_str().unwrap()]);
    assert!(code == Some(69) && said.contains("lathe.sock") && said.contains("another process"), "{said}");
    let (other, elsewhere) = (dir.path().join("flag.sock"), dir.path().join("flag-state"));
    let flags = ["--config", &file, "--http", "off", "--osc", "127.0.0.1:0"];
    let paths = ["--socket", other.to_str().unwrap(), "--state-dir", elsewhere.to_str().unwrap()];
    let second = Lathed::launch(Lathed::plain(&[&flags[..], &paths[..]].concat()));
    assert_eq!(second.ready("http"), "off");
    assert_ne!(second.ready("osc"), "off");
    UnixStream::connect(&other).unwrap();
    assert!(elsewhere.join("lock").exists());
    let third = Lathed::launch(Lathed::plain(&[
        "--config",
        &file,
        "--socket",
        "off",
        "--state-dir",
        dir.path().join("third").to_str().unwrap(),
    ]));
    assert_ne!(third.ready("http"), address, "port 0 is any free one");
    daemon.signal("TERM");
    assert!(daemon.wait(Duration::from_secs(5)).success());
    assert!(!socket.exists(), "the socket's file goes with the daemon");
}

#[test]
fn a_killed_daemons_socket_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("lathe.sock");
    let args = ["--backend", "clock", "--socket", socket.to_str().unwrap()];
    let mut first = Lathed::start(&args);
    first.signal("KILL");
    first.wait(Duration::from_secs(5));
    assert!(socket.exists(), "a killed daemon leaves its file");
    let mut second = Lathed::start(&args);
    UnixStream::connect(&socket).unwrap();
    second.signal("INT");
    assert!(second.wait(Duration::from_secs(5)).success());
    assert!(!socket.exists());
}

#[test]
fn http_beyond_this_machine_is_refused_with_the_way_in() {
    let dir = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:7701", "[::]:7701", "192.168.1.5:7701", "[::ffff:10.0.0.1]:7701"] {
        let (code, said) = refused(&["--backend", "clock", "--http", address]);
        assert_eq!(code, Some(78), "{said}");
        assert!(said.contains("ssh -L 7701:127.0.0.1:7701") && said.contains("socket"), "{said}");
        let file = config(dir.path(), &format!("[http]\nlisten = \"{address}\"\n"));
        let (code, said) = refused(&["--config", &file]);
        assert_eq!(code, Some(78), "{said}");
        assert!(said.contains("lathed.toml:2:10: ") && said.contains("ssh -L"), "{said}");
    }
    for (text, words) in [
        ("[http]\ntls = { cert = \"/etc/lathe/cert.pem\" }\n", "tls is not built yet"),
        ("[http]\nplain_lan = [\"192.168.1.0/24\"]\n", "plain_lan is not built yet"),
    ] {
        let (code, said) = refused(&["--config", &config(dir.path(), text)]);
        assert_eq!(code, Some(78), "{said}");
        assert!(said.contains(words) && said.contains("ssh -L"), "{said}");
    }
    let (code, said) = refused(&["--backend", "clock", "--http", "somewhere"]);
    assert!(code == Some(2) && said.contains("127.0.0.1:7701"), "{said}");
    let long = dir.path().join("a".repeat(100));
    let (code, said) = refused(&["--backend", "clock", "--http", "off", "--socket", long.to_str().unwrap()]);
    assert!(code == Some(78) && said.contains("may have 99"), "{said}");
}
