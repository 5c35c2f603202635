"""bothways: a lab for unified vision-language models."""
