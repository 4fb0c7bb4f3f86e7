//! Unix sockets as files: taken without taking them from anybody else, open to owner and group, and
//! removed when they are no longer listened on.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect as connect_to, listen,
    socket_with,
};

/// Whoever may read and write the socket may connect: its owner and its group.
const MODE: u32 = 0o660;
/// How many clients may wait to be accepted. Who comes when the queue is full is refused at once,
/// unlike with TCP; the system bounds it further (`net.core.somaxconn`).
const QUEUE: i32 = 4096;

/// Why a socket cannot be listened on, and what helps.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) why: String,
    pub(super) remedy: &'static str,
}

impl From<io::Error> for Refused {
    fn from(why: io::Error) -> Self {
        Self { why: why.to_string(), remedy: "choose another path" }
    }
}

impl From<Errno> for Refused {
    fn from(why: Errno) -> Self {
        io::Error::from(why).into()
    }
}

/// The file of a socket that is listened on. It is removed with this, if it is still there.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and number, by which it differs from one that somebody has put in its place.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |file: Metadata| identity(&file) == self.identity;
        if fs::symlink_metadata(&self.path).is_ok_and(ours)
            && let Err(why) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %why, "cannot remove the Unix socket");
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Listens on a socket at this path, in place of one that nobody listens on any longer.
pub(super) fn take(path: &Path) -> Result<(UnixListener, SocketFile), Refused> {
    let (address, socket) = (SocketAddrUnix::new(path)?, socket(SocketFlags::CLOEXEC)?);
    match bind(&socket, &address) {
        Ok(()) => {}
        Err(Errno::ADDRINUSE) => {
            remove_if_left_behind(path)?;
            bind(&socket, &address)?;
        }
        Err(Errno::NOENT) => {
            let folder = path.parent().unwrap_or(path).display();
            return Err(Refused {
                why: format!("there is no directory {folder}"),
                remedy: "make it, or choose another path",
            });
        }
        Err(why) => return Err(why.into()),
    }
    // Nobody can connect before it is listened on, so nobody does before the mode is set.
    let file = SocketFile { identity: identity(&fs::symlink_metadata(path)?), path: path.into() };
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    listen(&socket, QUEUE)?;
    Ok((UnixListener::from(socket), file))
}

/// Removes the socket of a process that has ended without doing so; refuses to touch anything else.
fn remove_if_left_behind(path: &Path) -> Result<(), Refused> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(Refused {
            why: "what is there is not a socket, and is left alone".to_owned(),
            remedy: "move it away, or choose another path",
        });
    }
    match connect(path) {
        Err(why) if why.kind() == io::ErrorKind::ConnectionRefused => Ok(fs::remove_file(path)?),
        Err(why) if why.kind() == io::ErrorKind::PermissionDenied => Err(Refused {
            why: format!("whether a process listens on this socket cannot be found out ({why})"),
            remedy: "remove it if none does, or choose another path",
        }),
        // A full queue and another kind of socket are signs of life, too.
        Ok(_) | Err(_) => Err(Refused {
            why: "another process listens on this socket".to_owned(),
            remedy: "stop that one, or choose another path",
        }),
    }
}

/// Connects to a socket, without waiting where its queue is full.
///
/// # Errors
/// The system's.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket = socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    connect_to(&socket, &SocketAddrUnix::new(path)?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn socket(flags: SocketFlags) -> rustix::io::Result<OwnedFd> {
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}
