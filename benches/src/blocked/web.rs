//! An HTTP endpoint that is a plain task, and who asks it from outside of the runtime.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Where the endpoint is.
pub(super) type Url = SocketAddr;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// Serves on the current runtime, for as long as that lives.
pub(super) async fn serve() -> io::Result<Url> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    let url = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; REQUEST.len()];
                // Whoever goes away early gets nothing.
                if client.read_exact(&mut request).await.is_ok() {
                    let _ = client.write_all(RESPONSE).await;
                }
            });
        }
    });
    Ok(url)
}

/// Asks once, on a connection of its own.
pub(super) fn get(url: Url, patience: Duration) -> io::Result<()> {
    let mut server = TcpStream::connect_timeout(&url, patience)?;
    server.set_read_timeout(Some(patience))?;
    server.write_all(REQUEST)?;
    let mut response = Vec::with_capacity(RESPONSE.len());
    server.read_to_end(&mut response)?;
    if response == RESPONSE { Ok(()) } else { Err(io::Error::other("not the response that was to come")) }
}
