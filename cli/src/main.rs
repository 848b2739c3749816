//! The command `devp2p`, with the habits of geth's tool of that name.
//!
//! Results go to standard output, for people or, with `--json`, for scripts;
//! warnings and failures to standard error. Exit status: 0 done, 1 failed,
//! 2 wrong usage, 128 and the signal's number where a signal cut it short.
#![forbid(unsafe_code)]

mod admin;
mod args;
mod db;
mod devnet;
mod discv4;
mod door;
mod enr;
mod failure;
mod key;
mod log;
mod manual;
mod metrics;
mod networks;
mod nodes;
mod nodeset;
mod output;
mod rlpx;
mod run;
mod runtime;
mod signals;
mod sim;
mod usage;
mod workers;
mod writer;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            usage::tell(&error);
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    log::start(&args);
    let json = args.command.wants_json();
    let result = match args.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Admin(command) => admin::run(&command),
        Command::Devnet(arguments) => devnet::run(&arguments),
        Command::Sim(arguments) => sim::run(&arguments),
        Command::Enrdump(arguments) => enr::run(&arguments),
        Command::Key(command) => key::run(command),
        Command::Rlpx(command) => rlpx::run(command),
        Command::Discv4(command) => discv4::run(command),
        Command::Nodeset(command) => nodeset::run(&command),
        Command::Db(command) => db::run(&command),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { directory } => manual::pages(&directory),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell(json);
            ExitCode::from(failure.status())
        }
    }
}
