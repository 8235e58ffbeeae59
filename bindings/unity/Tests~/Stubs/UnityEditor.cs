// What the package uses of UnityEditor.
using System;
using UnityEngine;

namespace UnityEditor
{
    [AttributeUsage(AttributeTargets.Class)] public sealed class CustomEditor : Attribute { public CustomEditor(Type type) { } }
    [AttributeUsage(AttributeTargets.Class)] public sealed class InitializeOnLoadAttribute : Attribute { }

    [AttributeUsage(AttributeTargets.Method)]
    public sealed class MenuItem : Attribute { public MenuItem(string path, bool isValidate, int priority) { } }

    public sealed class MenuCommand { public UnityEngine.Object context; }

    public class Editor
    {
        public UnityEngine.Object target;
        public virtual void OnInspectorGUI() { }
        public virtual bool RequiresConstantRepaint() { return false; }
        public bool DrawDefaultInspector() { return true; }
    }

    public enum MessageType { None, Info, Warning, Error }

    public static class EditorGUILayout
    {
        public static void Space() { }
        public static void LabelField(string label, string value) { }
        public static void HelpBox(string text, MessageType type) { }
    }

    public static class EditorStyles { public static object boldLabel; }
    public static class Undo { public static void RegisterCreatedObjectUndo(UnityEngine.Object created, string name) { } }
    public static class Selection { public static GameObject activeGameObject; }
    public static class GameObjectUtility { public static void SetParentAndAlign(GameObject child, GameObject parent) { } }

    public static class AssemblyReloadEvents
    {
        public delegate void AssemblyReloadCallback();
        public static event AssemblyReloadCallback beforeAssemblyReload;
        public static void Raise() { if (beforeAssemblyReload != null) beforeAssemblyReload(); }
    }
}
