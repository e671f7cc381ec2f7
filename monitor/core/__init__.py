"""Pure: values, formulas, rules. No clock, no input or output."""
