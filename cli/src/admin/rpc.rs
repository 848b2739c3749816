//! JSON-RPC 2.0 as geth speaks it: its error codes and texts, its batches.
//!
//! What is asked is carried out elsewhere; here is who asks what, and how the
//! answer is written.

use core::fmt;

use devp2p_smol::core::limits;
use serde_json::{Map, Value, json};

use super::framing::FramingError;
use crate::output::to_json;

/// Characters of a method's name that are told again where there is no such method.
const NAME: usize = 100;

/// Why a call came to nothing: geth's numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RpcError {
    code: i32,
    message: String,
}

impl RpcError {
    fn new(code: i32, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string() }
    }

    fn parse(why: impl fmt::Display) -> Self {
        Self::new(-32700, format_args!("parse error: {why}"))
    }

    fn invalid(why: &str) -> Self {
        Self::new(-32600, why)
    }

    /// There is no such method.
    pub(crate) fn no_method(name: &str) -> Self {
        let name = match name.char_indices().nth(NAME) {
            Some((end, _)) => format!("{}…", &name[..end]),
            None => name.to_owned(),
        };
        let why = format_args!("the method {name} does not exist/is not available");
        Self::new(-32601, why)
    }

    /// It takes other arguments.
    pub(crate) fn arguments(why: impl fmt::Display) -> Self {
        Self::new(-32602, why)
    }

    /// It could not be done.
    pub(crate) fn failed(why: impl fmt::Display) -> Self {
        Self::new(-32000, why)
    }

    /// It was not done in time.
    pub(crate) fn late() -> Self {
        Self::new(-32002, "request timed out")
    }

    fn too_large() -> Self {
        Self::new(-32003, "response too large")
    }

    fn body(&self) -> Value {
        json!({ "code": self.code, "message": self.message })
    }
}

/// Who carries out what is asked.
pub(crate) trait Methods {
    /// Calls a method by name with its arguments.
    async fn call(&self, method: &str, arguments: &[Value]) -> Result<Value, RpcError>;
}

/// What is said to a client, and whether it is heard any further.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Nothing.
    Silence,
    /// A line.
    Line(String),
    /// A line, and the connection ends.
    Last(String),
}

/// What a client is told that cannot be understood.
pub(crate) fn unreadable(error: FramingError) -> Reply {
    let error = match error {
        FramingError::NotJson => RpcError::parse(error),
        FramingError::TooLarge => RpcError::invalid("request too large"),
    };
    Reply::Last(line(&answer(Value::Null, Err(error))))
}

/// What a client is told whose request takes too long to come.
pub(crate) fn late() -> Reply {
    Reply::Last(line(&answer(Value::Null, Err(RpcError::late()))))
}

/// What a client is told for whom there is no place.
pub(crate) fn crowded() -> String {
    line(&answer(Value::Null, Err(RpcError::failed("too many clients"))))
}

/// Does what a request asks: one call, or a batch of them.
pub(crate) async fn reply(request: &[u8], methods: &impl Methods) -> Reply {
    match serde_json::from_slice(request) {
        Err(error) => Reply::Last(line(&answer(Value::Null, Err(RpcError::parse(error))))),
        Ok(Value::Array(calls)) => batch(calls, methods).await,
        Ok(call) => match one(call, methods).await {
            None => Reply::Silence,
            Some(answered) => Reply::Line(bounded(answered)),
        },
    }
}

/// An answer as a line, or that it would be too large.
fn bounded(answered: Value) -> String {
    let text = line(&answered);
    if text.len() <= limits::ADMIN_ANSWER {
        return text;
    }
    let id = answered.get("id").cloned().unwrap_or(Value::Null);
    line(&answer(id, Err(RpcError::too_large())))
}

async fn batch(calls: Vec<Value>, methods: &impl Methods) -> Reply {
    let refused = |why| Reply::Line(line(&answer(Value::Null, Err(RpcError::invalid(why)))));
    if calls.is_empty() {
        return refused("empty batch");
    }
    if calls.len() > limits::ADMIN_BATCH {
        return refused("batch too large");
    }
    let mut lines = Vec::new();
    let mut size = 0;
    for call in calls {
        // Nothing more is done for a client who will not get what comes of it.
        if size > limits::ADMIN_ANSWER {
            return refused("response too large");
        }
        if let Some(answered) = one(call, methods).await {
            let text = to_json(&answered);
            size += text.len();
            lines.push(text);
        }
    }
    if lines.is_empty() {
        return Reply::Silence;
    }
    if size > limits::ADMIN_ANSWER {
        return refused("response too large");
    }
    Reply::Line(format!("[{}]\n", lines.join(",")))
}

/// One call; `None` if no answer is wanted. geth `handleCallMsg`: only what has a
/// version and a method is a notification.
async fn one(call: Value, methods: &impl Methods) -> Option<Value> {
    let Value::Object(mut call) = call else { return Some(invalid(Value::Null)) };
    let has_version = call.get("jsonrpc").and_then(Value::as_str) == Some("2.0");
    let id = call.remove("id");
    let has_bad_id = id.as_ref().is_some_and(|id| id.is_object() || id.is_array());
    if has_bad_id || !has_version {
        return Some(invalid(id.filter(|_| !has_bad_id).unwrap_or_default()));
    }
    match (call.remove("method"), id) {
        (Some(Value::String(method)), id) if !method.is_empty() => {
            let result = match arguments(call.remove("params")) {
                Ok(arguments) => methods.call(&method, &arguments).await,
                Err(error) => Err(error),
            };
            id.map(|id| answer(id, result))
        }
        (_, Some(_)) if is_answer(&call) => None,
        (_, id) => Some(invalid(id.unwrap_or_default())),
    }
}

/// Whether it answers what was never asked. geth `isResponse`.
fn is_answer(call: &Map<String, Value>) -> bool {
    !call.contains_key("params") && (call.contains_key("result") || call.contains_key("error"))
}

fn invalid(id: Value) -> Value {
    answer(id, Err(RpcError::invalid("invalid request")))
}

fn arguments(params: Option<Value>) -> Result<Vec<Value>, RpcError> {
    match params {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(arguments)) => Ok(arguments),
        Some(_) => Err(RpcError::arguments("non-array args")),
    }
}

fn answer(id: Value, result: Result<Value, RpcError>) -> Value {
    match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error.body() }),
    }
}

fn line(value: &Value) -> String {
    to_json(value) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says what it was asked.
    struct Parrot;

    impl Methods for Parrot {
        async fn call(&self, method: &str, arguments: &[Value]) -> Result<Value, RpcError> {
            match method {
                "say" => Ok(Value::Array(arguments.to_vec())),
                other => Err(RpcError::no_method(other)),
            }
        }
    }

    fn said(request: &str) -> String {
        match futures_lite::future::block_on(reply(request.as_bytes(), &Parrot)) {
            Reply::Silence => String::new(),
            Reply::Line(line) => line,
            Reply::Last(line) => format!("{line}(closed)"),
        }
    }

    fn code(request: &str) -> i64 {
        let answer: Value = serde_json::from_str(&said(request).replace("(closed)", "")).unwrap();
        answer["error"]["code"].as_i64().unwrap()
    }

    #[test]
    fn a_call_is_answered_under_its_id() {
        let answer = said(r#"{"jsonrpc":"2.0","id":7,"method":"say","params":["a",1]}"#);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": 7, "result": ["a", 1] }));
        assert!(said(r#"{"jsonrpc":"2.0","id":"x","method":"say"}"#).contains("\"x\""));
    }

    #[test]
    fn nothing_is_said_to_notifications_and_answers() {
        assert_eq!(said(r#"{"jsonrpc":"2.0","method":"say"}"#), "");
        assert_eq!(said(r#"{"jsonrpc":"2.0","id":1,"result":true}"#), "");
        assert_eq!(said(r#"[{"jsonrpc":"2.0","method":"say"}]"#), "");
    }

    #[test]
    fn what_is_neither_call_nor_notification_is_told_so_under_no_id() {
        let invalid = json!({
            "jsonrpc": "2.0",
            "id": null,
            "error": { "code": -32600, "message": "invalid request" },
        });
        let read = |text: String| serde_json::from_str::<Value>(&text).unwrap();
        for request in [
            "{}",
            r#"{"method":"rpc_modules"}"#,
            r#"{"jsonrpc":"2.0","method":7}"#,
            r#"{"jsonrpc":"2.0","method":""}"#,
            r#"{"jsonrpc":"2.0","result":true}"#,
        ] {
            assert_eq!(read(said(request)), invalid, "{request}");
            assert_eq!(read(said(&format!("[{request}]"))), json!([invalid]), "{request}");
        }
        let answer = read(said(r#"{"id":7,"method":"say"}"#));
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(7), &json!(-32600)));
    }

    #[test]
    fn the_name_of_a_method_that_does_not_exist_is_told_again_in_part() {
        let call = |name: &str| {
            let call = json!({ "jsonrpc": "2.0", "id": 1, "method": name });
            said(&call.to_string())
        };
        assert!(call(&"é".repeat(NAME)).contains(&format!("method {} does", "é".repeat(NAME))));
        let text = call(&"é".repeat(30_000));
        assert!(
            text.contains(&format!("{}… does", "é".repeat(NAME))) && text.len() < 400,
            "{text}"
        );
    }

    #[test]
    fn what_is_wrong_with_a_call_has_the_number_of_geth() {
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"eth_call"}"#), -32601);
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"say","params":{}}"#), -32602);
        assert_eq!(code(r#"{"jsonrpc":"1.0","id":1,"method":"say"}"#), -32600);
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":7}"#), -32600);
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":[],"method":"say"}"#), -32600);
        assert_eq!(code("[]"), -32600);
        assert_eq!(code("{'a'}"), -32700);
        assert!(said("{'a'}").ends_with("(closed)"));
    }

    #[test]
    fn a_batch_is_answered_in_one_array_and_bounded() {
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"say"}"#;
        let batch = |count: usize| format!("[{}]", vec![call; count].join(","));
        let answers: Value = serde_json::from_str(&said(&batch(3))).unwrap();
        assert_eq!(answers.as_array().unwrap().len(), 3);
        let all = said(&batch(limits::ADMIN_BATCH));
        assert_eq!(all.matches("result").count(), limits::ADMIN_BATCH);
        assert_eq!(code(&batch(limits::ADMIN_BATCH + 1)), -32600);
        assert_eq!(said("[1]").matches("invalid request").count(), 1);
    }
}
