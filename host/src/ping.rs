//! Sends ICMP echo requests to the ping nodes and recognises their replies.
