using System.Collections.Frozen;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Rosetta.Actors.Cluster.Serialization;

/// <summary>
/// The types that cross nodes, each with its manifest. A manifest is never renamed or reused: nodes of two versions run side by side
/// during an upgrade. New fields are optional; a new meaning is a new manifest, read one release before it is written.
/// </summary>
public sealed class WireMessages
{
    readonly FrozenDictionary<Type, WireMessage> _byType;
    readonly FrozenDictionary<string, WireMessage> _byManifest;

    /// <exception cref="ArgumentException">A type or manifest occurs twice, or a manifest is not 1 to 4 characters long.</exception>
    public WireMessages(IEnumerable<WireMessage> messages)
    {
        var list = messages.ToList();
        foreach (var message in list)
            if (message.Manifest.Length is < 1 or > 4)
                throw new ArgumentException($"the manifest '{message.Manifest}' of {message.Type.Name} must have 1 to 4 characters");
        foreach (var twice in list.GroupBy(m => m.Manifest).Where(g => g.Count() > 1))
            throw new ArgumentException($"the manifest '{twice.Key}' is used by {string.Join(" and ", twice.Select(m => m.Type.Name))}");
        foreach (var twice in list.GroupBy(m => m.Type).Where(g => g.Count() > 1))
            throw new ArgumentException($"{twice.Key.Name} has more than one manifest");
        All = list;
        _byType = list.ToFrozenDictionary(m => m.Type);
        _byManifest = list.ToFrozenDictionary(m => m.Manifest);
    }

    public IReadOnlyList<WireMessage> All { get; }

    public WireMessage? Of(Type type) => _byType.GetValueOrDefault(type);

    public WireMessage? Of(string manifest) => _byManifest.GetValueOrDefault(manifest);
}

/// <summary>One type that crosses nodes.</summary>
/// <param name="Manifest">1 to 4 characters, written before every message.</param>
/// <param name="TypeInfo">Source-generated JSON contract of the type.</param>
public sealed record WireMessage(string Manifest, JsonTypeInfo TypeInfo)
{
    public Type Type => TypeInfo.Type;

    public byte[] Write(object message) => JsonSerializer.SerializeToUtf8Bytes(message, TypeInfo);

    public object? Read(byte[] bytes) => JsonSerializer.Deserialize(bytes, TypeInfo);
}
