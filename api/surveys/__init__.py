"""Surveys: how satisfied customers are after a call or a consultation, asked seldom, briefly, and only of those who agreed."""
