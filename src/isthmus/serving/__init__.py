"""A fitted model as a small local HTTP service: rows come in as JSON or Arrow, coordinates go out.

It is built on Starlette and uvicorn, and not on FastAPI: what a request may hold follows from the fitted
model, and bodies of thousands of rows are read into arrays, so that classes that describe one request in
Python would only cost time.
"""

from isthmus.serving.limits import Limits as Limits
from isthmus.serving.service import application as application
from isthmus.serving.service import serve as serve
