"""TLS contexts and secrets of a link, read from files each time they are needed, so that new files count at once."""

from __future__ import annotations

import ssl
from pathlib import Path

from gateway.links import LinkError, Settings


def context(settings: Settings) -> ssl.SSLContext:
    """A client context: TLS 1.3, the far side verified against ``ca_file`` or else the system's roots.

    Raise LinkError when a file is missing or is not what it should be.
    """
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _load(tls, settings)
    return tls


def server_context(settings: Settings) -> ssl.SSLContext:
    """A context for clients that come to us: TLS 1.3; with a ``ca_file`` each of them shows a certificate of it.

    Raise LinkError when a file is missing or is not what it should be.
    """
    if settings.certificate_file is None:
        raise LinkError("certificate_file: is needed where clients connect to us over TLS")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if settings.ca_file is not None:
        tls.verify_mode = ssl.CERT_REQUIRED
    elif settings.crl_file is not None:
        raise LinkError("crl_file: needs a ca_file; without one no client is asked for a certificate")
    _load(tls, settings)
    return tls


def _load(tls: ssl.SSLContext, settings: Settings) -> None:
    """What both sides have in common."""
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        if settings.ca_file is not None:
            tls.load_verify_locations(settings.ca_file)
        elif tls.protocol is ssl.PROTOCOL_TLS_CLIENT:
            tls.load_default_certs()
    except (OSError, ssl.SSLError) as error:
        raise LinkError(f"ca_file {settings.ca_file}: {_why(error)}") from error
    if settings.crl_file is not None:
        tls.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        try:
            tls.load_verify_locations(settings.crl_file)
        except (OSError, ssl.SSLError) as error:
            raise LinkError(f"crl_file {settings.crl_file}: {_why(error)}") from error
    if settings.certificate_file is not None:
        try:
            tls.load_cert_chain(settings.certificate_file, settings.key_file)
        except (OSError, ssl.SSLError) as error:
            raise LinkError(f"certificate_file {settings.certificate_file}: {_why(error)}") from error


def files(settings: Settings) -> tuple[str, ...]:
    """Every file that a connection is made from."""
    named = (
        settings.password_file,
        settings.credentials_file,
        settings.ca_file,
        settings.crl_file,
        settings.certificate_file,
        settings.key_file,
    )
    return tuple(file for file in named if file is not None)


def marks(settings: Settings) -> tuple[tuple[int, int], ...]:
    """What changes when a file is replaced: the time and inode of each; zeros while one is missing."""
    found = []
    for file in files(settings):
        try:
            status = Path(file).stat()
            found.append((status.st_mtime_ns, status.st_ino))
        except OSError:
            found.append((0, 0))
    return tuple(found)


def pinned(certificate_file: str, key_file: str) -> ssl.SSLContext:
    """A context for our own server: its very certificate is trusted, whatever address it names, and shown as ours."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.check_hostname = False
    tls.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        tls.load_verify_locations(certificate_file)
        tls.load_cert_chain(certificate_file, key_file)
    except (OSError, ssl.SSLError) as error:
        raise LinkError(f"certificate_file {certificate_file}: {_why(error)}") from error
    return tls


def password(settings: Settings) -> bytes | None:
    """The password without its line end. Raise LinkError when the file cannot be read."""
    if settings.password_file is None:
        return None
    try:
        data = Path(settings.password_file).read_bytes()
    except OSError as error:
        raise LinkError(f"password_file {settings.password_file}: {_why(error)}") from error
    secret = data.strip(b"\r\n")
    if not secret:
        raise LinkError(f"password_file {settings.password_file}: is empty")
    return secret


def _why(error: OSError) -> str:
    """A short cause that holds no content of the file."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not readable as PEM").lower().replace("_", " ")
    return (error.strerror or type(error).__name__).lower()
