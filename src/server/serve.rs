//! Listening: plain or with TLS, certificates that change, and an end that lets running requests finish.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, SystemTime};

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use tokio_util::sync::CancellationToken;

use super::{App, Settings, router};

/// How often the certificate files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Looks whether the certificate and its key can be used; asked before anything listens.
///
/// # Errors
/// One sentence that names the settings.
pub async fn check_certificate(settings: &Settings) -> Result<(), String> {
    let (Some(cert), Some(key)) = (&settings.tls_cert, &settings.tls_key) else { return Ok(()) };
    let usable = RustlsConfig::from_pem_file(cert, key).await;
    usable.map(drop).map_err(|error| {
        format!(
            "server.tls_cert {} and server.tls_key {} cannot be used ({error}); name a certificate chain and its private key, both \
             as PEM",
            cert.display(),
            key.display()
        )
    })
}

/// Serves until `shutdown`, then takes no more connections and lets running requests end.
///
/// # Errors
/// When the listener or the certificate cannot be used.
pub async fn run(app: App, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let handle = Handle::new();
    let (stop, drain) = (handle.clone(), app.settings.drain_timeout.as_duration());
    let stopped = shutdown.clone();
    let watcher = tokio::spawn(async move {
        stopped.cancelled().await;
        stop.graceful_shutdown(Some(drain));
    });
    let settings = app.settings.clone();
    let service = router(app).into_make_service_with_connect_info::<SocketAddr>();
    let served = match (&settings.tls_cert, &settings.tls_key) {
        (Some(cert), Some(key)) => {
            let config = RustlsConfig::from_pem_file(cert, key).await?;
            let reloads = tokio::spawn(reload(config.clone(), cert.clone(), key.clone(), shutdown));
            let served = axum_server::from_tcp_rustls(listener, config)?.handle(handle).serve(service).await;
            reloads.abort();
            served
        }
        _ => axum_server::from_tcp(listener)?.handle(handle).serve(service).await,
    };
    watcher.abort();
    served
}

/// Reads the certificate again when its files change; one that cannot be read leaves the old one in use.
async fn reload(
    config: RustlsConfig,
    cert: std::path::PathBuf,
    key: std::path::PathBuf,
    shutdown: CancellationToken,
) {
    let mut seen = (changed(&cert), changed(&key));
    while !shutdown.is_cancelled() {
        tokio::time::sleep(LOOK).await;
        let now = (changed(&cert), changed(&key));
        if now == seen {
            continue;
        }
        seen = now;
        match config.reload_from_pem_file(&cert, &key).await {
            Ok(()) => tracing::info!("the certificate was read again"),
            Err(error) => {
                tracing::error!(%error, "the new certificate cannot be used; the old one stays in use");
            }
        }
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|file| file.modified()).ok()
}
