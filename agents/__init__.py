"""Roles: functions that take options and return an async LangGraph node. They know no campaign and no store."""
