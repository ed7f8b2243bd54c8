"""One page about a map: what it shows, how faithful it is, where it is unreliable, other methods."""

from isthmus.report.findings import Findings as Findings
from isthmus.report.gathering import gather as gather
from isthmus.report.page import write as write
