// What the package uses of UnityEngine, with just enough behaviour for tests without an editor. Not shipped: Unity does not
// import folders whose name ends in "~".
using System;
using System.Collections.Generic;
using System.Reflection;

namespace UnityEngine
{
    public class Object
    {
        public string name = "";
        public bool IsDestroyed { get; private set; }

        public static void Destroy(Object target) { Stub.Destroy(target); }
        public static void DestroyImmediate(Object target) { Stub.Destroy(target); }
        internal void MarkDestroyed() { IsDestroyed = true; }

        public static implicit operator bool(Object target) { return !IsGone(target); }
        public static bool operator ==(Object a, Object b) { return IsGone(a) ? IsGone(b) : ReferenceEquals(a, b); }
        public static bool operator !=(Object a, Object b) { return !(a == b); }
        public override bool Equals(object other) { return ReferenceEquals(this, other); }
        public override int GetHashCode() { return System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this); }

        static bool IsGone(Object target) { return ReferenceEquals(target, null) || target.IsDestroyed; }
    }

    public class Component : Object
    {
        public GameObject gameObject { get; internal set; }
        public Transform transform { get { return gameObject.transform; } }
        public T GetComponent<T>() { return gameObject.GetComponent<T>(); }
        public T GetComponentInParent<T>() { return gameObject.GetComponentInParent<T>(); }
    }

    public class Behaviour : Component
    {
        bool enabledSelf = true;
        internal bool WasAwake, IsOn;

        public bool enabled
        {
            get { return enabledSelf; }
            set { enabledSelf = value; Stub.Refresh(this); }
        }

        public bool isActiveAndEnabled { get { return enabledSelf && gameObject.activeInHierarchy; } }
    }

    public class MonoBehaviour : Behaviour { }

    public class Transform : Component
    {
        internal Transform Parent;
        public Vector3 localScale = Vector3.one;
        public Transform parent { get { return Parent; } }
        public void SetParent(Transform value, bool worldPositionStays) { Parent = value; }
    }

    public sealed class RectTransform : Transform
    {
        public Vector2 anchorMin, anchorMax, offsetMin, offsetMax, pivot, anchoredPosition, sizeDelta;
    }

    public sealed class GameObject : Object
    {
        internal readonly List<Component> Components = new List<Component>();
        bool activeSelf = true;

        public GameObject(string name, params Type[] types)
        {
            this.name = name;
            bool isRect = Array.IndexOf(types, typeof(RectTransform)) >= 0;
            transform = isRect ? new RectTransform() : new Transform();
            transform.gameObject = this;
            Components.Add(transform);
            Stub.Objects.Add(this);
            foreach (Type type in types) if (type != typeof(RectTransform)) Add(type);
        }

        public Transform transform { get; private set; }
        public bool activeInHierarchy { get { return activeSelf; } }

        public void SetActive(bool value)
        {
            activeSelf = value;
            foreach (Component component in Components.ToArray()) Stub.Refresh(component as Behaviour);
        }

        public T AddComponent<T>() where T : Component { return (T)Add(typeof(T)); }

        public T GetComponent<T>()
        {
            foreach (Component component in Components)
                if (!component.IsDestroyed && component is T) return (T)(object)component;
            return default(T);
        }

        public T GetComponentInParent<T>()
        {
            for (Transform at = transform; at != null; at = at.parent)
            {
                T found = at.gameObject.GetComponent<T>();
                if (found != null) return found;
            }
            return default(T);
        }

        Component Add(Type type)
        {
            var component = (Component)Activator.CreateInstance(type);
            component.gameObject = this;
            Components.Add(component);
            Stub.Refresh(component as Behaviour);
            return component;
        }
    }

    /// <summary>The engine's side, driven by hand: frames, application messages, the console.</summary>
    public static class Stub
    {
        public static readonly List<GameObject> Objects = new List<GameObject>();
        public static readonly List<string> Errors = new List<string>();
        public static readonly List<string> Warnings = new List<string>();
        public static Object ErrorContext;

        public static void Clear()
        {
            foreach (GameObject each in Objects.ToArray()) Destroy(each);
            Objects.Clear();
            Errors.Clear();
            Warnings.Clear();
        }

        /// <summary>One frame of every component that is on.</summary>
        public static void Frame()
        {
            Broadcast("Update");
            Broadcast("LateUpdate");
        }

        public static void Broadcast(string message, params object[] arguments)
        {
            foreach (GameObject owner in Objects.ToArray())
                foreach (Component component in owner.Components.ToArray())
                {
                    var behaviour = component as Behaviour;
                    if (behaviour != null && behaviour.IsOn) Send(behaviour, message, arguments);
                }
        }

        public static void Send(Component target, string message, params object[] arguments)
        {
            const BindingFlags any = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;
            for (Type type = target.GetType(); type != null && type != typeof(Component); type = type.BaseType)
            {
                MethodInfo method = type.GetMethod(message, any | BindingFlags.DeclaredOnly);
                if (method == null) continue;
                try { method.Invoke(target, arguments); }
                catch (TargetInvocationException error) { throw new InvalidOperationException(message, error.InnerException); }
                return;
            }
        }

        internal static void Refresh(Behaviour target)
        {
            if (ReferenceEquals(target, null) || ReferenceEquals(target.gameObject, null)) return;
            bool isOn = target.isActiveAndEnabled && !target.IsDestroyed;
            if (isOn && !target.WasAwake) { target.WasAwake = true; Send(target, "Awake"); }
            if (isOn == target.IsOn) return;
            target.IsOn = isOn;
            Send(target, isOn ? "OnEnable" : "OnDisable");
        }

        internal static void Destroy(Object target)
        {
            if (ReferenceEquals(target, null) || target.IsDestroyed) return;
            var owner = target as GameObject;
            if (!ReferenceEquals(owner, null))
            {
                Objects.Remove(owner);
                foreach (Component each in owner.Components.ToArray()) Destroy(each);
            }
            var behaviour = target as Behaviour;
            if (!ReferenceEquals(behaviour, null)) End(behaviour);
            target.MarkDestroyed();
        }

        static void End(Behaviour behaviour)
        {
            if (behaviour.IsOn) { behaviour.IsOn = false; Send(behaviour, "OnDisable"); }
            if (behaviour.WasAwake) Send(behaviour, "OnDestroy");
        }
    }

    public static class Debug
    {
        public static void Log(object message) { Console.Error.WriteLine(message); }
        public static void LogWarning(object message, Object context) { Stub.Warnings.Add(message.ToString()); }

        public static void LogError(object message, Object context)
        {
            Stub.Errors.Add(message.ToString());
            Stub.ErrorContext = context;
        }
    }

    public static class Application
    {
        public static bool isPlaying = true;
        public static bool runInBackground;
        public static void Quit() { }
    }

    public static class Time
    {
        public static float unscaledDeltaTime = 1f / 60;
    }

    public class CustomYieldInstruction : System.Collections.IEnumerator
    {
        public virtual bool keepWaiting { get { return false; } }
        public object Current { get { return null; } }
        public bool MoveNext() { return keepWaiting; }
        public void Reset() { }
    }

    public sealed class Coroutine { }
}

namespace UnityEngine.Events
{
    public class UnityEvent
    {
        public event Action Calls;
        public void Invoke() { if (Calls != null) Calls(); }
    }

    public class UnityEvent<T>
    {
        public event Action<T> Calls;
        public void Invoke(T value) { if (Calls != null) Calls(value); }
    }
}
