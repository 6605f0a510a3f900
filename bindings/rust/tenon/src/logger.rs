//! Loggers: where the library's messages for people go.
use crate::error::Result;
use crate::types::{any_thread, handle, made, Severity};
use tenon_sys::*;

/// Takes messages; closures do.
pub trait Log: Send + Sync + 'static {
    /// Called on any thread that works for an object that has the logger. It may call the library, but not the object that is
    /// being used. A panic here ends the message, nothing else.
    fn log(&self, severity: Severity, message: &str);
}

impl<F: Fn(Severity, &str) + Send + Sync + 'static> Log for F {
    fn log(&self, severity: Severity, message: &str) {
        self(severity, message)
    }
}

struct Raw<L>(L);

impl<L: Log> LoggerCallbacks for Raw<L> {
    fn log(&self, severity: tn_severity, message: &str) {
        self.0.log(Severity::from_raw(severity), message)
    }
}

handle! {
    /// A destination of messages, for builders and runtimes.
    Logger: tn_logger_t, tn_logger_destroy
}
any_thread!(Logger);

impl Logger {
    /// Messages that matter less than `max_severity` are not made.
    pub fn new(log: impl Log, max_severity: Severity) -> Result<Logger> {
        let table = tn_logger_callbacks_of(Box::new(Raw(log)));
        Ok(Logger { raw: made(|out| unsafe { tn_logger_create(&table, max_severity.to_raw(), out) })? })
    }
}
