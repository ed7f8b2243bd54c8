"""scikit-learn estimators. Each owns a network; none of them is one."""
