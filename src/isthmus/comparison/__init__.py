"""A comparison of the usual methods and ours on the same data: what each preserves, costs and lacks."""

from isthmus.comparison.comparing import compare as compare
from isthmus.comparison.methods import METHODS as METHODS
from isthmus.comparison.methods import Method as Method
from isthmus.comparison.records import ComparisonRecord as ComparisonRecord
from isthmus.comparison.records import Judgement as Judgement
from isthmus.comparison.report import ComparisonReport as ComparisonReport
