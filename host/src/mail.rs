//! Queues and sends MailTo notices through sendmail.
