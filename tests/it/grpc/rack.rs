// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rack's methods but the stream: what they answer and how they refuse.
use std::time::Instant;

use lathed::grpc::v1;
use lathed::grpc::v1::set_values_item::Value;
use lathed::grpc::v1::set_values_request::At;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::rig::{Rig, batch, plan, real, violations};

#[tokio::test(flavor = "multi_thread")]
async fn the_rack_says_all_of_itself() {
    let shipped = lathe_core::rack::load(include_str!("../../../config/racks/midside.toml"), "m").unwrap();
    let rig = Rig::start(shipped.plan.clone(), false).await;
    let mut client = rig.rack().await;
    let rack = client.get_rack(v1::GetRackRequest {}).await.unwrap().into_inner().rack.unwrap();
    assert_eq!((rack.sample_rate, rack.layout.as_str()), (48_000, "stereo"));
    assert_eq!(rack.channels, ["L", "R"]);
    let ids: Vec<&str> = rack.slots.iter().map(|s| s.id.as_str()).collect();
    let wanted: Vec<String> = shipped.plan.walk().iter().map(|s| s.id.clone()).collect();
    assert_eq!(ids, wanted);
    let split = rack.slots.iter().find(|s| !s.branches.is_empty()).unwrap();
    assert_eq!(split.content, Some(v1::slot::Content::Split("midside".into())));
    let inside = rack.slots.iter().find(|s| s.parent == split.id).unwrap();
    assert!(split.branches.contains(&inside.branch), "{inside:?}");
    for slot in &rack.slots {
        for param in &slot.params {
            let (spec, value) = (param.spec.as_ref().unwrap(), param.value.as_ref().unwrap());
            assert_eq!(spec.address, value.address);
            assert!(spec.min <= value.real && value.real <= spec.max, "{spec:?} {value:?}");
            assert!((0.0..=1.0).contains(&value.norm) && !value.text.is_empty() && !spec.name.is_empty());
            assert_ne!(spec.kind(), v1::ParamKind::Unspecified);
            assert_eq!(spec.kind() == v1::ParamKind::Choice, !spec.choices.is_empty(), "{spec:?}");
        }
    }
    let outside: Vec<&str> = rack.params.iter().map(|p| p.spec.as_ref().unwrap().address.as_str()).collect();
    for address in ["rack/bypass", "monitor/level", "monitor/source", "monitor/listen/mid_eq"] {
        assert!(outside.contains(&address), "{address} is not in {outside:?}");
    }
    let file = client.get_rack_file(v1::GetRackFileRequest {}).await.unwrap().into_inner();
    assert_eq!(lathe_core::rack::load(&file.toml, "again").unwrap().plan, shipped.plan);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_response_follows_the_settings_and_bad_questions_are_refused() {
    let rig = Rig::start(plan(1), false).await;
    let mut client = rig.rack().await;
    let items = vec![real("eq1/band1/gain", 6.0), real("eq1/band1/freq", 1000.0), real("trim/trim", -3.0)];
    let set = client.set_values(batch(items)).await.unwrap().into_inner();
    let ask = |slot: &str, frequencies_hz: &[f64], feed: &str, sample_rate| v1::GetResponseRequest {
        slot: slot.into(),
        frequencies_hz: frequencies_hz.to_vec(),
        feed: feed.into(),
        sample_rate,
    };
    let eq = client.get_response(ask("eq1", &[10.0, 1000.0], "R", 0)).await.unwrap().into_inner();
    assert_eq!((eq.revision, eq.sample_rate, eq.latency_frames, eq.cut), (set.revision, 48_000, 0, false));
    assert!(eq.curves.len() == 1 && eq.curves[0].name == "R", "{eq:?}");
    assert!(
        eq.curves[0].level_db[0].abs() < 0.01 && (eq.curves[0].level_db[1] - 6.0).abs() < 0.001,
        "{eq:?}"
    );
    let whole = client.get_response(ask("", &[], "", 0)).await.unwrap().into_inner();
    assert_eq!((whole.curves.len(), whole.frequencies_hz.len()), (2, 256));
    let peak = whole.curves[0].level_db.iter().copied().fold(f64::MIN, f64::max);
    assert!((peak - 3.0).abs() < 0.01 && whole.latency_frames > 0, "{peak} dB");
    for (request, code, field) in [
        (ask("none", &[], "", 0), Code::NotFound, ""),
        (ask("", &[], "up", 0), Code::InvalidArgument, "feed"),
        (ask("", &[24_000.1], "", 0), Code::InvalidArgument, "frequencies_hz"),
        (ask("", &[f64::NAN], "", 0), Code::InvalidArgument, "frequencies_hz"),
        (ask("", &vec![1.0; 4097], "", 0), Code::InvalidArgument, "frequencies_hz"),
        (ask("", &[], "", 7999), Code::InvalidArgument, "sample_rate"),
        (ask("", &[], "", u32::MAX), Code::InvalidArgument, "sample_rate"),
    ] {
        let refused = client.get_response(request).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
        let named = violations(&refused).first().map(|v| v.0.clone()).unwrap_or_default();
        assert_eq!(named, field, "{refused:?}");
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_read_by_address_and_by_pattern() {
    let rig = Rig::start(plan(2), false).await;
    let mut client = rig.rack().await;
    let mut get = async |addresses: &[&str]| {
        let addresses = addresses.iter().map(|a| a.to_string()).collect();
        let values = client.get_values(v1::GetValuesRequest { addresses }).await?.into_inner().values;
        Ok::<Vec<String>, tonic::Status>(values.into_iter().map(|v| v.address).collect())
    };
    assert_eq!(get(&["trim/trim"]).await.unwrap(), ["trim/trim"]);
    assert_eq!(
        get(&["*/bypass", "trim/bypass"]).await.unwrap(),
        ["trim/bypass", "eq1/bypass", "eq2/bypass", "limiter/bypass", "rack/bypass"]
    );
    assert!(get(&["eq1/**"]).await.unwrap().len() > get(&["eq1/*"]).await.unwrap().len());
    assert_eq!(get(&["nothing/*"]).await.unwrap(), [""; 0]);
    assert!(get(&[]).await.unwrap().len() > 100);
    let status = get(&["trim/trim", "trin/trim"]).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(
        violations(&status),
        [("addresses[1]".to_string(), "there is no slot \"trin\" (did you mean \"trim\"?)".to_string())]
    );
    assert_eq!(get(&["*"; 300]).await.unwrap_err().code(), Code::ResourceExhausted);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_one_change_and_is_heard() {
    let rig = Rig::start(plan(1), false).await;
    let mut client = rig.rack().await;
    let item = |address: &str, value| v1::SetValuesItem {
        address: address.into(),
        value: Some(value),
        ramp_ms: Some(20.0),
    };
    let mut request = batch([
        item("trim/trim", Value::Real(-6.0)),
        item("limiter/ceiling", Value::Text("-1.5 dB".into())),
        item("eq1/band1/gain", Value::Norm(1.0)),
    ]);
    request.validate_only = true;
    let checked = client.set_values(request.clone()).await.unwrap().into_inner();
    assert!(!checked.audible);
    assert_eq!(rig.host.control().get("trim/trim").unwrap().1, 0.0, "a check changes nothing");
    request.validate_only = false;
    let made = client.set_values(request).await.unwrap().into_inner();
    assert!(made.audible && made.revision > checked.revision && made.client > 0, "{made:?}");
    assert_eq!(made.values, checked.values);
    assert_eq!(made.values[1].text, "-1.5 dB");
    assert_eq!(made.values[2].norm, 1.0);
    assert_eq!(rig.host.control().get("trim/trim").unwrap().1, -6.0);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_the_item_the_address_and_the_range() {
    let rig = Rig::start(plan(1), false).await;
    let mut client = rig.rack().await;
    let revision = rig.host.control().revision();
    let mut set = async |items: Vec<v1::SetValuesItem>| client.set_values(batch(items)).await.unwrap_err();
    let status = set(vec![real("trim/trim", 0.0), real("trim/trim", 100.0), real("trim/nix", 1.0)]).await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.get_details_error_info().unwrap().reason, "INVALID_VALUE");
    let found = violations(&status);
    assert_eq!((found[0].0.as_str(), found[1].0.as_str()), ("items[1].real", "items[2].address"));
    assert!(found[0].1.contains("trim/trim") && found[0].1.contains("-60 dB to 24 dB"), "{found:?}");
    let status = set(vec![real("eq1/band1/gian", 0.0)]).await;
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().contains("did you mean \"eq1/band1/gain\""), "{status}");
    assert_eq!(set(vec![]).await.code(), Code::InvalidArgument);
    let empty = v1::SetValuesItem { address: "trim/trim".into(), ..Default::default() };
    assert_eq!(violations(&set(vec![empty]).await)[0].0, "items[0]");
    // As many as anyone may send: the refusal still fits into the trailers.
    let status = set(vec![real("no/such_parameter", 0.0); 4096]).await;
    assert_eq!(status.code(), Code::NotFound);
    assert!(violations(&status).last().unwrap().1.ends_with("more"), "{status:?}");
    assert_eq!(set(vec![real("trim/trim", 0.0); 4097]).await.code(), Code::ResourceExhausted);
    assert_eq!(set(vec![real(&"x".repeat(300_000), 0.0)]).await.code(), Code::OutOfRange);
    assert_eq!(rig.host.control().revision(), revision, "nothing was made of any");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_parameters_at_once() {
    let rig = Rig::start(plan(16), false).await;
    let mut client = rig.rack().await;
    let lines = rig.host.control().controls();
    let moving = lines.iter().filter(|l| l.spec.change != lathe_core::param::Motion::Structural);
    let items = moving.take(500).map(|l| v1::SetValuesItem {
        address: l.address.clone(),
        value: Some(Value::Norm(0.75)),
        ramp_ms: None,
    });
    let request = batch(items);
    assert_eq!(request.items.len(), 500);
    let began = Instant::now();
    let made = client.set_values(request).await.unwrap().into_inner();
    println!("500 parameters: {} ms to heard = {}", began.elapsed().as_millis(), made.audible);
    assert!(made.audible);
    assert_eq!(made.values.len(), 500);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_may_wait_for_its_frame_and_is_made_once() {
    let rig = Rig::start(plan(0), false).await;
    let mut client = rig.rack().await;
    let mut request = batch([real("trim/trim", -3.0)]);
    request.at = Some(At::Delay(prost_types::Duration { seconds: 0, nanos: 400_000_000 }));
    request.request_id = "a".into();
    let waits = client.set_values(request.clone()).await.unwrap().into_inner();
    assert!(waits.scheduled && !waits.audible);
    assert_eq!(client.set_values(request.clone()).await.unwrap().into_inner(), waits);
    assert_eq!(rig.host.control().get("trim/trim").unwrap().1, 0.0);
    let value = || rig.host.control().get("trim/trim").unwrap().1;
    let began = Instant::now();
    while value() != -3.0 {
        assert!(began.elapsed().as_secs() < 5, "it never came");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(began.elapsed().as_millis() > 150, "it came after {:?}", began.elapsed());
    let mut request = batch([real("trim/trim", -4.0)]);
    request.request_id = "b".into();
    let first = client.set_values(request.clone()).await.unwrap().into_inner();
    client.set_values(batch([real("trim/trim", -5.0)])).await.unwrap();
    let again = client.set_values(request.clone()).await.unwrap().into_inner();
    assert_eq!(again, first);
    assert_eq!(value(), -5.0, "a repeat is not made");
    request.items[0].ramp_ms = Some(5.0);
    assert_eq!(client.set_values(request).await.unwrap_err().code(), Code::InvalidArgument);
    let mut request = batch([real("trim/trim", -3.0)]);
    request.at = Some(At::Delay(prost_types::Duration { seconds: -1, nanos: 0 }));
    assert_eq!(violations(&client.set_values(request).await.unwrap_err())[0].0, "delay");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_rack_and_back() {
    let rig = Rig::start(plan(0), false).await;
    let mut client = rig.rack().await;
    let load = |toml: &str, validate_only| v1::LoadRackRequest {
        toml: toml.into(),
        validate_only,
        file_name: "my.toml".into(),
    };
    assert_eq!(client.undo(v1::UndoRequest {}).await.unwrap_err().code(), Code::FailedPrecondition);
    let broken = include_str!("../../../config/racks/broken.toml");
    let checked = client.load_rack(load(broken, true)).await.unwrap().into_inner();
    let errors = checked.diagnostics.iter().filter(|d| d.severity() == v1::Severity::Error).count();
    assert!(!checked.valid && errors >= 5, "{checked:?}");
    let status = client.load_rack(load(broken, false)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("my.toml:6:10"), "{status}");
    assert_eq!(violations(&status).len(), errors, "all of them");
    assert!(violations(&status)[0].0.starts_with("toml:6:"), "{status:?}");
    let multiband = include_str!("../../../config/racks/multiband.toml");
    let loaded = client.load_rack(load(multiband, false)).await.unwrap().into_inner();
    assert!(loaded.valid && loaded.audible && !loaded.ports_changed, "{loaded:?}");
    let history = client.list_history(v1::ListHistoryRequest { page_size: 1 }).await.unwrap().into_inner();
    assert_eq!(history.steps[0].what, "load");
    let undone = client.undo(v1::UndoRequest {}).await.unwrap().into_inner();
    assert_eq!(undone.what, "load");
    assert!(rig.host.control().get("trim/trim").is_ok());
    assert_eq!(client.redo(v1::RedoRequest {}).await.unwrap().into_inner().what, "load");
    assert_eq!(client.redo(v1::RedoRequest {}).await.unwrap_err().code(), Code::FailedPrecondition);
    let panic = client.set_panic(v1::SetPanicRequest { panic: true }).await.unwrap().into_inner();
    assert!(panic.panic && panic.audible && rig.host.control().panic());
    assert!(!client.set_panic(v1::SetPanicRequest { panic: false }).await.unwrap().into_inner().panic);
    rig.stop().await;
}

/// Loads, undos and redos in a row, each while the chain of the one before still fades.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_during_a_fade_is_answered_when_it_is_in_the_sound() {
    let rig = Rig::start(plan(2), false).await;
    let mut client = rig.rack().await;
    let racks: [String; 3] = [1, 2, 3].map(|n| lathe_core::rack::export(&plan(n)));
    let load = |n: usize| v1::LoadRackRequest { toml: racks[n].clone(), ..Default::default() };
    let (mut heard, mut slowest) = (0, std::time::Duration::ZERO);
    for n in 0..24 {
        let began = Instant::now();
        let (revision, audible) = match n % 4 {
            0 | 1 => {
                let made = client.load_rack(load(n % 3)).await.unwrap().into_inner();
                (made.revision, made.audible)
            }
            2 => {
                let made = client.undo(v1::UndoRequest {}).await.unwrap().into_inner();
                (made.revision, made.audible)
            }
            _ => {
                let made = client.redo(v1::RedoRequest {}).await.unwrap().into_inner();
                (made.revision, made.audible)
            }
        };
        slowest = slowest.max(began.elapsed());
        assert_eq!(audible, rig.host.control().is_applied(revision), "change {n}, {:?}", began.elapsed());
        heard += u32::from(audible);
    }
    println!("{heard} of 24 heard, the slowest answer after {slowest:?}");
    assert!(slowest.as_millis() <= 500 && heard >= 12, "{heard} of 24 after {slowest:?}");
    rig.stop().await;
}
