"""The words that everything is written in: errors, formulas, settings, what declares a method or a metric."""
