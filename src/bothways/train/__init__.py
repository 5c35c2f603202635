"""Training: one trainer for every module that offers `terms(batch)`, checkpoints that survive, schedules, the log."""
