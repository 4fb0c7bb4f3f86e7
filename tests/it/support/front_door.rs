//! Another front door to an application under test: what else a worker might serve.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;

use actix_web::dev::Server;
use actix_web::rt::System;
use bitting::domain::Bitting;
use bitting::http::state::{HttpSettings, State};

/// Serves what `serve` makes of a free port while the story is told.
pub fn front_door(
    serve: impl FnOnce(TcpListener) -> Server + Send + 'static,
    story: impl FnOnce(SocketAddr),
) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (started, start) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        System::new().block_on(async move {
            let server = serve(listener);
            started.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    let handle = start.recv().unwrap();
    story(address);
    System::new().block_on(handle.stop(true));
    thread.join().unwrap();
}

/// The state of a worker with settings of its own; `stopping` says that its server is.
pub fn worker_state(bitting: &Arc<Bitting>, stopping: &Arc<AtomicBool>) -> State {
    State::new(bitting.clone(), Arc::new(HttpSettings::default()), stopping.clone())
}
