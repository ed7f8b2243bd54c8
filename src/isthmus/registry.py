"""Classes that users choose from, and those that model files hold, registered where they are defined.

A class below a decorator of this module can be named on the command line, is listed by ``isthmus
choices`` and by error messages, and is kept by ``isthmus.save``; no other file names it. A class of your
own is registered in the same way, and is there once its module is imported: in Python by ``import``, on
the command line by ``isthmus --import MODULE``.

A module of your own has, for instance::

    from isthmus import registry

    @registry.losses
    @dataclass(frozen=True)
    class LogCosh:
        def __call__(self, x, output):
            return jnp.sum(jnp.log(jnp.cosh(x - output)), axis=-1)

Examples
--------
>>> from isthmus import registry
>>> registry.noises.find("masking")
<class 'isthmus.objectives.noise.Masking'>
>>> list(registry.losses.words)
['squared', 'absolute', 'huber', 'cross_entropy']
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from importlib import import_module
from typing import TypeVar

__all__ = [
    "KINDS",
    "Kind",
    "estimators",
    "is_own",
    "likelihoods",
    "losses",
    "name_of",
    "named",
    "noises",
    "part",
    "priors",
]

Class = TypeVar("Class", bound=type)

_classes: dict[str, type] = {}
_names: dict[type, str] = {}


def named(name: str) -> type | None:
    """The class that model files call by this name; None if there is none.

    Parameters
    ----------
    name : str
        As ``name_of`` gives it, with the namespace of noises, priors and likelihoods before it.

    Examples
    --------
    >>> from isthmus import registry
    >>> registry.named("noise.Masking")
    <class 'isthmus.objectives.noise.Masking'>
    >>> registry.named("LogCosh") is None
    True
    """
    for kind in KINDS.values():
        kind.load()
    return _classes.get(name)


def name_of(cls: type) -> str | None:
    """What model files call a class; None if it is not registered.

    Parameters
    ----------
    cls : type

    Examples
    --------
    >>> import isthmus
    >>> isthmus.registry.name_of(isthmus.noise.Masking), isthmus.registry.name_of(isthmus.Huber)
    ('noise.Masking', 'Huber')
    """
    return _names.get(cls)


def part(cls: Class) -> Class:
    """Register a class that users do not choose, but that a fitted model consists of.

    A decorator: ``@registry.part``, such as of the distribution that a likelihood of your own gives.

    Parameters
    ----------
    cls : type
        A dataclass, or an Equinox module: a file keeps its fields.

    Returns
    -------
    type
        The class itself.

    Raises
    ------
    TypeError
        For any other class.
    ValueError
        Where another class has the name.

    Examples
    --------
    >>> from isthmus import registry
    >>> @registry.part
    ... class Coins:
    ...     pass
    Traceback (most recent call last):
        ...
    TypeError: Coins is neither a dataclass nor an Equinox module, of which files keep the fields: ...
    """
    _check_fields(cls)
    return _register(cls.__name__, cls)


def is_own(cls: type) -> bool:
    """Whether a class belongs to isthmus itself.

    Parameters
    ----------
    cls : type

    Examples
    --------
    >>> import isthmus
    >>> isthmus.registry.is_own(isthmus.Huber), isthmus.registry.is_own(dict)
    (True, False)
    """
    return cls.__module__.partition(".")[0] == __package__


@dataclass(frozen=True)
class Kind:
    """The choices of one kind, and the decorator that registers one.

    There are five: ``registry.estimators``, ``losses``, ``noises``, ``priors`` and ``likelihoods``.
    Called with a class, as ``@registry.losses`` above it, one registers the class and returns it; it
    raises TypeError for a class whose fields no file could keep, and ValueError where another has the
    name.

    Parameters
    ----------
    parameter : str
        What the choices are passed as.
    namespace : str
        Where users import them from.
    home : tuple of str
        Modules below which those of isthmus are defined, in the order in which they are listed.
    example : str
        One as users write it.
    ending : str, default ""
        What is left out of a name where it is written as a word: ``"linear"`` for LinearAutoencoder.

    Examples
    --------
    >>> from isthmus import registry
    >>> sorted(registry.priors.classes)
    ['Mixture', 'StandardNormal', 'Uniform']
    >>> registry.priors.parameter, registry.priors.namespace
    ('prior', 'isthmus.priors')
    """

    parameter: str
    namespace: str
    home: tuple[str, ...]
    example: str
    ending: str = ""
    _found: dict[str, type] = field(default_factory=dict)

    def __call__(self, cls: Class) -> Class:
        """Register a class, which is an estimator, a dataclass or an Equinox module.

        Raises TypeError for any other, whose fields no file could keep, and ValueError where another
        class has the name.
        """
        if not hasattr(cls, "get_params"):
            _check_fields(cls)
        prefix = self.namespace.removeprefix("isthmus").lstrip(".")
        _register(f"{prefix}.{cls.__name__}".lstrip("."), cls)
        self._found[cls.__name__] = cls
        return cls

    def load(self) -> None:
        """Import the modules that define the choices of isthmus itself.

        Examples
        --------
        >>> from isthmus import registry
        >>> registry.losses.load()
        >>> registry.losses.find("huber")
        <class 'isthmus.objectives.losses.Huber'>
        """
        for home in self.home:
            module = import_module(home)
            for inner in pkgutil.iter_modules(getattr(module, "__path__", ())):
                import_module(f"{home}.{inner.name}")

    @property
    def classes(self) -> Mapping[str, type]:
        """All choices by the names of their classes, those of isthmus first."""
        self.load()
        return dict(sorted(self._found.items(), key=lambda item: self._place(item[1])))

    def _place(self, cls: type) -> tuple[bool, int, str]:
        """Those of isthmus first, by file, so that the order does not depend on what was imported."""
        module = cls.__module__
        homes = (place for place, home in enumerate(self.home) if f"{module}.".startswith(f"{home}."))
        return not is_own(cls), next(homes, len(self.home)), module

    @property
    def words(self) -> Mapping[str, type]:
        """All choices by their names in small letters, as ``"cross_entropy"`` for CrossEntropy."""
        return {self.word(cls): cls for cls in self.classes.values()}

    def word(self, cls: type) -> str:
        """The name of a choice in small letters.

        Parameters
        ----------
        cls : type
            One of the choices.

        Examples
        --------
        >>> import isthmus
        >>> isthmus.registry.estimators.word(isthmus.LinearAutoencoder)
        'linear'
        >>> isthmus.registry.losses.word(isthmus.CrossEntropy)
        'cross_entropy'
        """
        name = cls.__name__.removesuffix(self.ending) or cls.__name__
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()

    def find(self, name: str) -> type | None:
        """The choice of a name in any case, as a word too, or with its namespace before it.

        Parameters
        ----------
        name : str
            "masking", "Masking", "noise.Masking" and "isthmus.noise.Masking" are the same.

        Returns
        -------
        type or None
            None where there is no such choice.

        Examples
        --------
        >>> from isthmus import registry
        >>> registry.noises.find("salt-and-pepper") is registry.noises.find("noise.SaltAndPepper")
        True
        >>> registry.noises.find("pepper") is None
        True
        """
        prefix, _, bare = name.rpartition(".")
        namespaces = ("", "isthmus", self.namespace, self.namespace.removeprefix("isthmus."))
        for cls in self.classes.values():
            is_named = _plain(bare) in (_plain(cls.__name__), _plain(self.word(cls)))
            if is_named and prefix in (*namespaces, cls.__module__):
                return cls
        return None


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _check_fields(cls: type) -> None:
    if not is_dataclass(cls):
        raise TypeError(
            f"{cls.__qualname__} is neither a dataclass nor an Equinox module, of which files keep the "
            "fields: put @dataclass(frozen=True) below the line that registers it"
        )


def _register(name: str, cls: Class) -> Class:
    """Keep a class under a name. Defined again, as in a notebook, it replaces the one before."""
    earlier = _classes.get(name)
    if earlier is not None and _origin(earlier) != _origin(cls):
        raise ValueError(
            f"the name {name!r} belongs to {'.'.join(_origin(earlier))} already: call "
            f"{'.'.join(_origin(cls))} by another name"
        )
    _classes[name] = cls
    _names[cls] = name
    return cls


def _origin(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


noises = Kind(
    "noise",
    "isthmus.noise",
    tuple(f"isthmus.objectives.{module}" for module in ("noise", "image_jitter", "composition")),
    "Compose([Neighbours(5), Gaussian(scale=0.1)])",
)
priors = Kind("prior", "isthmus.priors", ("isthmus.variational.priors",), "Mixture(20)")
likelihoods = Kind(
    "likelihood",
    "isthmus.likelihoods",
    ("isthmus.variational.likelihoods", "isthmus.variational.count_likelihoods"),
    "Gaussian('feature')",
)
losses = Kind("loss", "isthmus", ("isthmus.objectives.losses",), "Huber(0.5)")
estimators = Kind(
    "model", "isthmus", ("isthmus.estimators", "isthmus.variational"), "linear", "Autoencoder"
)

KINDS: Mapping[str, Kind] = {
    kind.parameter: kind for kind in (estimators, losses, noises, priors, likelihoods)
}
