"""Draws the page of charts from the tables that the dbt project builds."""
