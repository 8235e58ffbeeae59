@tool
extends EditorPlugin
## The nodes are classes of their own (class_name); enabling the plugin only marks the addon as in use.
