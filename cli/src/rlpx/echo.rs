//! `devp2p rlpx echo`: requests to a node that serves echo/1, each reply
//! checked byte for byte.

use core::fmt;
use std::time::Instant;

use bytes::Bytes;
use devp2p_smol::core::error::Misuse;
use devp2p_smol::core::limits;
use devp2p_smol::core::p2p::{DisconnectReason, Message};
use devp2p_smol::{Channel, Peer, SendError, host};
use futures_lite::future::or;
use serde::Serialize;

use super::{ECHO, REPLY, REQUEST};
use crate::args::Echo;
use crate::failure::Failure;
use crate::output;

/// Bytes of requests that may await their reply, or two requests: one can be
/// read while the other is answered.
const IN_FLIGHT: usize = 1 << 20;

pub(super) fn run(arguments: &Echo) -> Result<(), Failure> {
    let Echo { enode, count, size, window, node } = arguments;
    if *size > limits::MESSAGE {
        return Err(Misuse::MessageTooLarge.into());
    }
    let plan = Plan {
        requests: Requests::random(*size)?,
        count: *count,
        window: u64::from(*window).min((IN_FLIGHT / (*size).max(1)).max(2) as u64),
    };
    let done = super::with_peer(enode, node, super::echo_offer()?, async |peer: Peer| {
        let channel = peer.channel(ECHO).ok_or(Failure::NoEcho)?;
        let result = plan.carry_out(&channel).await;
        if let Err(Failure::WrongReply { .. }) = result {
            peer.disconnect(DisconnectReason::SubprotocolError);
        }
        result
    })?;
    if node.json { output::json(&done) } else { output::line(&done) }
}

/// What there is to do.
struct Plan {
    requests: Requests,
    count: u64,
    /// Requests that may await their reply.
    window: u64,
}

/// How it went.
#[derive(Serialize)]
struct Done {
    count: u64,
    size: usize,
    seconds: f64,
    messages_per_second: f64,
    bytes_per_second: f64,
}

/// What comes next.
enum Next {
    Sent(Result<(), SendError>),
    Received(Option<Message>),
}

impl Plan {
    async fn carry_out(&self, channel: &Channel) -> Result<Done, Failure> {
        let begun = Instant::now();
        let (mut sent, mut answered) = (0, 0);
        while answered < self.count {
            let receive = async { Next::Received(channel.receive().await) };
            let next = if sent < self.count && sent - answered < self.window {
                let request = self.requests.get(sent);
                let send = async { Next::Sent(channel.send(REQUEST, request).await) };
                // Whichever is dropped has neither sent nor received anything.
                or(send, receive).await
            } else {
                receive.await
            };
            match next {
                Next::Sent(Ok(())) => sent += 1,
                Next::Sent(Err(SendError::Misuse(misuse))) => return Err(misuse.into()),
                Next::Sent(Err(_)) | Next::Received(None) => return Err(ended(channel).await),
                Next::Received(Some(message)) => {
                    if self.check(channel, message, sent, answered).await? {
                        answered += 1;
                    }
                }
            }
        }
        Ok(Done::new(self.count, self.requests.size, begun))
    }

    /// Whether a message is the next reply.
    async fn check(
        &self,
        channel: &Channel,
        message: Message,
        sent: u64,
        answered: u64,
    ) -> Result<bool, Failure> {
        if message.code() == REPLY {
            let right = answered < sent && *message.payload() == self.requests.get(answered);
            return if right { Ok(true) } else { Err(Failure::WrongReply { number: answered }) };
        }
        // There are two codes. We have the capability as well, so the other
        // may ask us too.
        match channel.send(REPLY, message.into_payload()).await {
            // What the other's compression got into a frame ours may not.
            Ok(()) | Err(SendError::Misuse(_)) => Ok(false),
            Err(_) => Err(ended(channel).await),
        }
    }
}

/// Why the connection ended.
async fn ended(channel: &Channel) -> Failure {
    channel.peer().closed().await.into()
}

/// Payloads that nobody can guess and that cost nothing to make: windows on the
/// same random bytes, each one byte further. No two within any window of
/// unanswered requests are the same, apart from the very shortest.
struct Requests {
    random: Bytes,
    size: usize,
}

/// Requests after which they repeat. More than any window.
const DIFFERENT: u64 = 4097;

impl Requests {
    fn random(size: usize) -> Result<Self, Failure> {
        let mut random = vec![0; size + usize::try_from(DIFFERENT).unwrap_or_default()];
        host::seed()?.jitter().fill(&mut random);
        Ok(Self { random: random.into(), size })
    }

    fn get(&self, number: u64) -> Bytes {
        let start = usize::try_from(number % DIFFERENT).unwrap_or_default();
        self.random.slice(start..start + self.size)
    }
}

impl Done {
    fn new(count: u64, size: usize, begun: Instant) -> Self {
        let elapsed = begun.elapsed();
        // A clock that did not move is no reason for an infinite rate.
        let seconds = elapsed.as_secs_f64().max(1e-9);
        let messages_per_second = count as f64 / seconds;
        Self {
            count,
            size,
            seconds: output::seconds(elapsed),
            messages_per_second: messages_per_second.round(),
            bytes_per_second: (messages_per_second * size as f64).round(),
        }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, size, seconds, messages_per_second, bytes_per_second } = self;
        write!(f, "{count} messages of {size} bytes there and back in {seconds:.3} s: ")?;
        write!(f, "{messages_per_second} messages/s, {bytes_per_second} bytes/s each way")
    }
}
