"""Figures of supervisors: reports over a period, the funnel of consultations, staffing, what is different about bad calls, scorecards."""
