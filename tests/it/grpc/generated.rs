// SPDX-License-Identifier: MIT OR Apache-2.0
//! The generated code is what the schema says; `LATHE_UPDATE=1` writes it anew.
use prost::Message as _;

use crate::docs::golden;
use crate::files::repository;

const FILES: [&str; 6] = [
    "lathe/v1/rack.proto",
    "lathe/v1/snapshot.proto",
    "lathe/v1/meter.proto",
    "lathe/v1/print.proto",
    "lathe/v1/system.proto",
    "lathe/v1/ledger.proto",
];

#[test]
fn the_generated_code_is_current() {
    let proto = repository().join("proto");
    let set = protox::compile(FILES, [&proto]).unwrap();
    let out = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .out_dir(out.path())
        .emit_rerun_if_changed(false)
        .compile_fds(set.clone())
        .unwrap();
    let code = std::fs::read_to_string(out.path().join("lathe.v1.rs")).unwrap();
    golden("src/grpc/gen/lathe.v1.rs", &code);
    let bytes = set.encode_to_vec();
    let path = repository().join("src/grpc/gen/lathe.v1.bin");
    if std::env::var_os("LATHE_UPDATE").is_some_and(|v| v == "1") {
        std::fs::write(&path, &bytes).unwrap();
    }
    assert!(std::fs::read(&path).unwrap() == bytes, "the descriptor set; LATHE_UPDATE=1 writes it anew");
}
