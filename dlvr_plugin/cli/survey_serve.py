"""``dlvr survey serve``: the pages of a study on a small web server."""

import argparse
import asyncio
import ipaddress
import socket

from basicsr.utils import get_root_logger

from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.folder_lock import FolderLock, lock_inside
from dlvr_plugin.survey.answers import AnswerStore

_SHOWN_LINKS = 3
_GRACE_SECONDS = 5  # for requests that are being answered when the server is told to stop


def run(args: argparse.Namespace) -> None:
    """Serve until it is interrupted.

    Raises:
        DataError: The study cannot be used, or packages are missing. InvalidValueError: An address that is none.
        InUseError: Another server is at work. OSError: The port is taken.
    """
    try:
        import uvicorn

        from dlvr_plugin.survey.server import SurveyServer
    except ModuleNotFoundError as error:
        raise DataError(
            f"The server needs the package {error.name}, which is not installed: pip install 'dlvr_plugin[survey]'."
        ) from error
    if not 0 <= args.port <= 65535:
        raise InvalidValueError(f'--port must be 0 to 65535, got {args.port}.')
    log = get_root_logger()
    with FolderLock(lock_inside(args.study), args.study, 'Stop that server first.'):
        store = AnswerStore(args.study)
        listener = _listen(args.host, args.port)
        host, port = listener.getsockname()[:2]
        address = f'http://{f"[{host}]" if ":" in host else host}:{port}'
        if not ipaddress.ip_address(host.split('%')[0]).is_loopback:
            log.warning(f'Whoever reaches {address} may load the pages by their links. Use https in front of it.')
        tokens = [each.token for each in store.study.participants]
        for token in tokens[:_SHOWN_LINKS]:
            log.info(f'{address}/{token}.html')
        log.info(f'{len(tokens)} links in all, see links.txt. Ctrl-C stops the server.')
        config = uvicorn.Config(
            SurveyServer(args.study, store).app,
            log_config=None,  # uvicorn's would close the handlers of all other logs
            log_level='warning',
            access_log=False,  # addresses of pages let in, and those of people are nobody's business
            server_header=False,
            proxy_headers=args.proxy is not None,
            forwarded_allow_ips=args.proxy or '',
            limit_concurrency=500,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        try:
            asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))
        except KeyboardInterrupt:
            log.info('Stopped.')
        finally:
            store.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ':' in host else socket.AF_INET
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError, UnicodeError) as error:
        raise OSError(f'Cannot listen at {host}, port {port}: {error}. Choose others by --host and --port.') from error
    return listener
