"""Singer tap for CoBrowser.net's CSV export API."""
