//! Just enough HTTP/1.1 to find where a message ends. It trusts its peer: this is a measuring device.

use tokio::io::{AsyncRead, AsyncReadExt};

/// The first place of a pattern.
pub(crate) fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    text.windows(pattern.len()).position(|window| window == pattern)
}

/// The digits right after a pattern.
pub(crate) fn number_after(text: &[u8], pattern: &[u8]) -> Option<u64> {
    let rest = &text[find(text, pattern)? + pattern.len()..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
    let mut digits = digits.peekable();
    digits.peek()?;
    Some(digits.fold(0_u64, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))))
}

/// Bytes that came, and how far the present message goes.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    bytes: Vec<u8>,
    used: usize,
}

impl Inbound {
    /// Reads until a whole message is there: its head and its body. `None` when the peer has closed.
    pub(crate) async fn next<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
    ) -> std::io::Result<Option<(&[u8], &[u8])>> {
        self.bytes.drain(..self.used);
        self.used = 0;
        loop {
            if let Some(head) = find(&self.bytes, b"\r\n\r\n").map(|end| end + 4) {
                let length = number_after(&self.bytes[..head], b"content-length: ").unwrap_or(0) as usize;
                if self.bytes.len() >= head + length {
                    self.used = head + length;
                    let (head, body) = self.bytes[..self.used].split_at(head);
                    return Ok(Some((head, body)));
                }
            }
            if stream.read_buf(&mut self.bytes).await? == 0 {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_told_apart_wherever_the_reads_end() {
        let all = b"POST /a HTTP/1.1\r\ncontent-length: 5\r\n\r\nhelloPOST /n HTTP/1.1\r\n\r\n";
        for cut in 1..all.len() {
            let mut stream = tokio::io::join(&all[..cut], tokio::io::sink());
            let mut inbound = Inbound::default();
            if let Some((_, body)) = inbound.next(&mut stream).await.unwrap() {
                assert_eq!(body, b"hello");
            }
            let mut stream = &all[cut..];
            if inbound.used == 0 {
                let (head, body) = inbound.next(&mut stream).await.unwrap().unwrap();
                assert!(head.starts_with(b"POST /a"));
                assert_eq!(body, b"hello");
            }
            let (head, body) = inbound.next(&mut stream).await.unwrap().unwrap();
            assert!(head.starts_with(b"POST /n"));
            assert_eq!(body, b"");
        }
    }

    #[test]
    fn numbers_are_found_after_their_names() {
        assert_eq!(number_after(b"{\"message\":\"0000000120\"}", b"\"message\":\""), Some(120));
        assert_eq!(number_after(b"{\"message\":\"\"}", b"\"message\":\""), None);
        assert_eq!(number_after(b"x", b"y"), None);
    }
}
