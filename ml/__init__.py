"""Will hold the learned and statistical parts: forecast, anomaly, routing, the recurrent suppressor and its training."""
