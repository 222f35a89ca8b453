// SPDX-License-Identifier: MIT OR Apache-2.0
//! One port for everything: Unix socket, gRPC-web, plain HTTP, reflection, limits, the end.
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use lathed::grpc::v1;
use lathed::grpc::v1::rack_service_client::RackServiceClient;
use prost::Message as _;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::rig::{Rig, plan};

/// One request by hand on HTTP/1.1.
async fn http(rig: &Rig, request: Vec<u8>) -> Vec<u8> {
    let addr = rig.addr;
    let work = move || {
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(&request).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn post(path: &str, kind: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
         {more}connection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_over_the_unix_socket() {
    let rig = Rig::start(plan(0), false).await;
    let channel = tonic::transport::Endpoint::try_from(format!("unix:{}", rig.socket.display())).unwrap();
    let mut client = RackServiceClient::new(channel.connect().await.unwrap());
    let rack = client.get_rack(v1::GetRackRequest {}).await.unwrap().into_inner().rack.unwrap();
    assert_eq!(rack.name, "Test");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_and_plain_http_on_the_same_port() {
    let rig = Rig::start(plan(0), false).await;
    let body = [0, 0, 0, 0, 0];
    let path = "/lathe.v1.RackService/GetRackFile";
    let answer = http(&rig, post(path, "application/grpc-web+proto", "", &body)).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("name = \"Test\"") && text.contains("grpc-status:0"), "{text}");
    let foreign = post(path, "application/grpc-web+proto", "origin: http://evil.example\r\n", &body);
    assert!(http(&rig, foreign).await.starts_with(b"HTTP/1.1 403"));
    let get =
        |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let answer = http(&rig, get("/hello", "127.0.0.1").into_bytes()).await;
    assert!(answer.ends_with(b"hello\n"), "{}", String::from_utf8_lossy(&answer));
    assert!(http(&rig, get("/hello", "evil.example").into_bytes()).await.starts_with(b"HTTP/1.1 403"));
    assert!(http(&rig, get("/nothing", "localhost").into_bytes()).await.starts_with(b"HTTP/1.1 404"));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_lists_every_service_and_file() {
    let rig = Rig::start(plan(0), false).await;
    let mut client = ServerReflectionClient::new(rig.channel().await);
    let ask = |request| ServerReflectionRequest { host: String::new(), message_request: Some(request) };
    let requests = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol("lathe.v1.RackService".into())),
    ];
    let requests = tokio_stream::iter(requests);
    let mut answers = client.server_reflection_info(requests).await.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list")
    };
    let names: Vec<String> = list.service.into_iter().map(|s| s.name).collect();
    for name in ["RackService", "SnapshotService", "MeterService", "SystemService"] {
        assert!(names.contains(&format!("lathe.v1.{name}")), "{names:?}");
    }
    assert!(names.contains(&"grpc.health.v1.Health".to_string()), "{names:?}");
    let Some(MessageResponse::FileDescriptorResponse(files)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no files")
    };
    let file = prost_types::FileDescriptorProto::decode(&*files.file_descriptor_proto[0]).unwrap();
    assert_eq!(file.package(), "lathe.v1");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_is_let_go_and_who_is_too_many_is_not_let_in() {
    let rig = Rig::start(plan(0), false).await;
    let addr = rig.addr;
    let work = move || {
        let began = Instant::now();
        let mut silent = TcpStream::connect(addr).unwrap();
        silent.write_all(b"PRI * HT").unwrap();
        let others: Vec<TcpStream> = (1..256).map(|_| TcpStream::connect(addr).unwrap()).collect();
        std::thread::sleep(Duration::from_millis(300));
        let mut refused = TcpStream::connect(addr).unwrap();
        refused.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        assert_eq!(refused.read(&mut [0; 8]).unwrap_or(0), 0, "closed at once");
        drop(others);
        silent.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        assert_eq!(silent.read(&mut [0; 8]).unwrap_or(0), 0);
        let waited = began.elapsed().as_secs_f64();
        assert!((9.0..13.0).contains(&waited), "let go after {waited} s");
    };
    tokio::task::spawn_blocking(work).await.unwrap();
    rig.rack().await.get_rack(v1::GetRackRequest {}).await.unwrap();
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_ends_streams_too() {
    let rig = Rig::start(plan(0), false).await;
    let mut stream = rig.rack().await.watch_rack(v1::WatchRackRequest {}).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    let began = Instant::now();
    rig.stop().await;
    let last = tokio::time::timeout(Duration::from_secs(1), stream.message()).await.unwrap();
    let last = last.expect_err("a stream that is cut off is not complete");
    assert_eq!(last.code(), tonic::Code::Unavailable, "{last}");
    println!("stopped in {:?}", began.elapsed());
}
