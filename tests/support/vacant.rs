//! A port of loopback where nobody listens yet.
//!
//! The socket is bound, so that no other process and no connection on its way out gets the port: one that was picked and
//! given back was taken now and then before its server came.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

use super::upstream::{Reply, Seen, Upstream};

/// Such a port. Connections to it are refused.
pub struct Vacant {
    pub address: SocketAddr,
    socket: Socket,
}

impl Vacant {
    /// One of the system's choice.
    pub fn new() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
        let address = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { address, socket })
    }

    /// Starts a server there.
    pub fn serving(self, otherwise: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> io::Result<Upstream> {
        const BACKLOG: i32 = 1024;
        self.socket.listen(BACKLOG)?;
        Upstream::on(TcpListener::from(self.socket), otherwise)
    }
}
