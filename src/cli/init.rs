// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe init`: a rack file to start from.

use std::io::Write;
use std::path::PathBuf;

use lathe_core::param::suggest;

use crate::exit::{Exit, Failure};
use crate::racks::SHIPPED;

/// Write a rack file to start from
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe init\n  lathe init --template speech podcast.toml\n  lathe init --list"
)]
pub struct Args {
    /// Which of the shipped racks
    #[arg(long, short, default_value = "stereo-master", value_name = "NAME")]
    template: String,
    /// List the templates and end
    #[arg(long)]
    list: bool,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    #[arg(default_value = "rack.toml", value_name = "FILE")]
    file: PathBuf,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    if args.list {
        SHIPPED.iter().for_each(|(name, text)| println!("{name:<16} {}", first_comment(text)));
        return Ok(());
    }
    let Some((_, text)) = SHIPPED.iter().find(|(n, _)| *n == args.template) else {
        let hint = suggest(&args.template, SHIPPED.iter().map(|s| s.0));
        let hint = hint.map(|s| format!(" (did you mean \"{s}\"?)")).unwrap_or_default();
        let names = SHIPPED.iter().map(|s| s.0).collect::<Vec<_>>().join(", ");
        return Err(Failure::new(
            Exit::Usage,
            format!("no template \"{}\"{hint}; there are {names}", args.template),
        ));
    };
    let mut open = std::fs::OpenOptions::new();
    open.write(true).create(true).truncate(true).create_new(!args.force);
    let file = args.file.display();
    let mut out = open.open(&args.file).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::new(Exit::Usage, format!("{file} is there already; --force replaces it"))
        }
        _ => Failure::new(Exit::Io, format!("cannot write {file}: {e}")),
    })?;
    out.write_all(text.as_bytes())
        .map_err(|e| Failure::new(Exit::Io, format!("cannot write {file}: {e}")))?;
    eprintln!("wrote {file}; run it with: lathed --rack {file}");
    Ok(())
}

fn first_comment(text: &str) -> &str {
    text.lines().next().and_then(|l| l.strip_prefix("# ")).unwrap_or("")
}
