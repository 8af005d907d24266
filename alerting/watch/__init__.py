"""What WATCH makes of one scope's spend: judged, told, learned, held to budgets."""
