"""The same data through the usual methods and through ours: what each keeps, costs, and cannot do."""

from isthmus.comparison.comparing import compare as compare
from isthmus.comparison.methods import METHODS as METHODS
from isthmus.comparison.methods import Method as Method
from isthmus.comparison.records import ComparisonRecord as ComparisonRecord
from isthmus.comparison.records import Judgement as Judgement
from isthmus.comparison.report import ComparisonReport as ComparisonReport
