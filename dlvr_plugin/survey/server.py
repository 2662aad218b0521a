"""The web server of a study: pages, pictures, and answers that are on the disk before they are acknowledged."""

import sqlite3
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.survey.answer_record import MOST_BYTES, parse_json, read_answer
from dlvr_plugin.survey.answers import AnswerStore, Progress
from dlvr_plugin.survey.page_template import build_page
from dlvr_plugin.survey.rate_limit import RateLimit
from dlvr_plugin.survey.study import FRAMES, SITE, Participant

_HEADERS = {
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',  # addresses of pages let in
    'Cross-Origin-Resource-Policy': 'same-origin',
    'X-Robots-Tag': 'noindex',
}
_MEDIA_TYPES = {'.png': 'image/png', '.webp': 'image/webp'}


class SurveyServer:
    """What the server does; ``app`` is the application, for any ASGI server.

    Args:
        folder: Of the study.
        store: Its answers.
        answers: How often a participant may call the server for anything but pictures.
        pictures: How many pictures an address may load.
        failures: How often an address may name what does not exist: tokens cannot be guessed one after another.
    """

    def __init__(
        self,
        folder: Path,
        store: AnswerStore,
        *,
        answers: RateLimit | None = None,
        pictures: RateLimit | None = None,
        failures: RateLimit | None = None,
    ) -> None:
        self.frames, self.store = folder / SITE / FRAMES, store
        self._files = {name for stimulus in store.study.stimuli for name in stimulus.files}
        self._participants = {each.token: each for each in store.study.participants}
        self._answers = answers or RateLimit(per_second=5, burst=60)
        self._pictures = pictures or RateLimit(per_second=400, burst=4000)
        self._failures = failures or RateLimit(per_second=0.5, burst=30)
        self.app = Starlette(
            routes=[
                Route(f'/{FRAMES}/{{name}}', self._picture),
                Route('/{token}.html', self._page),
                Route('/{token}/progress', self._progress),
                Route('/{token}/consent', self._consent, methods=['POST']),
                Route('/{token}/answers', self._answer, methods=['POST']),
            ],
            exception_handlers={
                HTTPException: self._refuse,
                DataError: self._refuse_data,
                sqlite3.OperationalError: self._unavailable,  # the disk is full, or another process writes for long
            },
        )

    def _participant(self, request: Request) -> Participant:
        """Return whose token the request has.

        Raises:
            HTTPException: Nobody's, or too many requests.
        """
        participant = self._participants.get(request.path_params['token'])
        if participant is None:
            raise HTTPException(404)
        if not self._answers.allows(participant.token):
            raise HTTPException(429, headers={'Retry-After': '2'})
        return participant

    async def _page(self, request: Request) -> Response:
        page = await run_in_threadpool(build_page, self.store.study, self._participant(request))
        return HTMLResponse(page, headers={**_HEADERS, 'Cache-Control': 'no-store'})

    async def _picture(self, request: Request) -> Response:
        name = request.path_params['name']
        if name not in self._files:  # nothing else of the disk can be named
            raise HTTPException(404)
        if not self._pictures.allows(_address(request)):
            raise HTTPException(429, headers={'Retry-After': '2'})
        path = self.frames / name
        headers = {**_HEADERS, 'Cache-Control': 'private, max-age=86400, immutable'}
        return FileResponse(path, media_type=_MEDIA_TYPES[path.suffix], headers=headers)

    async def _progress(self, request: Request) -> Response:
        participant = self._participant(request)
        return _as_json(await run_in_threadpool(self.store.progress, participant.token))

    async def _consent(self, request: Request) -> Response:
        participant = self._participant(request)
        content = parse_json(await _read_body(request))
        language = content.get('language') if isinstance(content, dict) else None
        if not isinstance(language, str) or language not in self.store.study.texts:
            raise DataError('language of the consent is none of this study')
        await run_in_threadpool(self.store.consent, participant.token, language)
        return _as_json(await run_in_threadpool(self.store.progress, participant.token))

    async def _answer(self, request: Request) -> Response:
        participant = self._participant(request)
        answer = read_answer(parse_json(await _read_body(request)), self.store.study, participant)
        before = await run_in_threadpool(self.store.progress, participant.token)
        if not before.consented:
            raise DataError('an answer without consent')
        outcome = await run_in_threadpool(self.store.add, participant.token, answer)
        progress = await run_in_threadpool(self.store.progress, participant.token)
        return _as_json(progress, 409 if outcome == 'refused' else 200)

    async def _refuse(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status, headers = error.status_code, {**_HEADERS, **(error.headers or {})}
        if status == 404 and not self._failures.allows(_address(request)):
            status, headers = 429, {**headers, 'Retry-After': '10'}
        return JSONResponse({'refused': status}, status, headers=headers)

    async def _refuse_data(self, request: Request, error: Exception) -> Response:
        return JSONResponse({'refused': str(error)}, 400, headers=_HEADERS)

    async def _unavailable(self, request: Request, error: Exception) -> Response:
        return JSONResponse({'refused': 503}, 503, headers={**_HEADERS, 'Retry-After': '5'})


def _as_json(progress: Progress, status: int = 200) -> Response:
    return JSONResponse(progress._asdict(), status, headers={**_HEADERS, 'Cache-Control': 'no-store'})


def _address(request: Request) -> str:
    return request.client.host if request.client else ''


async def _read_body(request: Request) -> bytes:
    """Return the body of a request that a page of this server has sent.

    Raises:
        HTTPException: It is no JSON by its own word, too large, or comes from a page of somebody else.
    """
    if request.headers.get('content-type', '').split(';')[0].strip() != 'application/json':
        raise HTTPException(415)  # browsers let pages of others send other types without asking
    origin = request.headers.get('origin')
    if origin is not None and origin.split('://')[-1] != request.headers.get('host'):
        raise HTTPException(403)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413)
    return bytes(body)
