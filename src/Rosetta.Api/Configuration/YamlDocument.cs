using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Rosetta.Api.Bodies;
using Rosetta.Api.Problems;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using ScalarEvent = YamlDotNet.Core.Events.Scalar;

namespace Rosetta.Api.Configuration;

/// <summary>
/// A YAML text as JSON, with the line of every value. Strict, because it comes from outside: one document, no anchors, aliases and tags (an alias can
/// unfold without end), no key twice, no deep nesting. It is read event by event, so a hostile text costs no more than its length.
/// </summary>
sealed class YamlDocument
{
    /// <summary>As the JSON bodies.</summary>
    const int DeepestLevel = 32;

    readonly Dictionary<string, long> _lines = new(StringComparer.Ordinal);
    readonly IParser _parser;

    YamlDocument(IParser parser) => _parser = parser;

    /// <summary>Null for an empty text.</summary>
    public JsonNode? Root { get; private set; }

    /// <exception cref="RequestProblemException">400: it is not YAML; 422: it is, and cannot be taken.</exception>
    public static YamlDocument Parse(string text)
    {
        // YamlDotNet takes it for the end of the text.
        if (text.IndexOf('\0', StringComparison.Ordinal) is >= 0 and var zero)
        {
            throw new RequestProblemException(
                StatusCodes.Status400BadRequest, $"The text is not valid YAML at line {text.AsSpan(0, zero).Count('\n') + 1}: it contains the character U+0000.");
        }

        var document = new YamlDocument(new Parser(new StringReader(text)));
        try
        {
            document.Read();
            return document;
        }
        catch (YamlException e)
        {
            throw new RequestProblemException(
                StatusCodes.Status400BadRequest, $"The text is not valid YAML at line {e.Start.Line}, column {e.Start.Column}: {FirstLine(e.Message)}{Tab(text)}");
        }
    }

    /// <summary>The line of a value (<c>sources[0].pg_port</c>), or of what it would be in; null for a path that is not of this text.</summary>
    public long? LineOf(string path)
    {
        for (; path.Length > 0; path = path[..Math.Max(path.LastIndexOfAny(['.', '[']), 0)])
            if (_lines.TryGetValue(path, out var line)) return line;
        return null;
    }

    void Read()
    {
        Next();
        Next();
        if (_parser.Current is not DocumentStart) return;
        Next();
        Root = Value("", 0);
        Next();
        Next();
        if (_parser.Current is DocumentStart second)
            throw Refused("body", "holds more than one document (---); send one after the other", second);
    }

    JsonNode? Value(string path, int level)
    {
        var current = _parser.Current!;
        if (current is AnchorAlias) throw Refused(path, "aliases (*name) are not supported here; write the value out", current);
        if (current is NodeEvent { Anchor.IsEmpty: false }) throw Refused(path, "anchors (&name) are not supported here; leave it out", current);
        if (current is NodeEvent { Tag: { IsEmpty: false, IsNonSpecific: false } tag }) throw Refused(path, $"tags ({tag}) are not supported here; leave it out", current);
        if (level > DeepestLevel) throw Refused(path, $"is nested deeper than {DeepestLevel} levels", current);
        return current switch
        {
            ScalarEvent scalar => YamlScalars.ToJson(scalar),
            SequenceStart => List(path, level),
            _ => Map(path, level),
        };
    }

    JsonArray List(string path, int level)
    {
        var list = new JsonArray();
        for (Next(); _parser.Current is not SequenceEnd; Next())
        {
            var at = $"{path}[{list.Count}]";
            _lines.TryAdd(at, _parser.Current!.Start.Line);
            list.Add(Value(at, level + 1));
        }

        return list;
    }

    JsonObject Map(string path, int level)
    {
        var map = new JsonObject();
        for (Next(); _parser.Current is not MappingEnd; Next())
        {
            var start = _parser.Current!;
            if (start is not ScalarEvent { Anchor.IsEmpty: true } key) throw Refused(path, "a key must be a plain name", start);
            var at = path.Length == 0 ? key.Value : $"{path}.{key.Value}";
            if (map.ContainsKey(key.Value)) throw Refused(at, $"is there twice, first at line {_lines[at]}", start);
            _lines.TryAdd(at, start.Start.Line);
            Next();
            map.Add(key.Value, Value(at, level + 1));
        }

        return map;
    }

    void Next()
    {
        var at = _parser.Current?.End ?? Mark.Empty;
        try
        {
            if (!_parser.MoveNext()) throw new YamlException(at, at, "the text ends too early");
        }
        catch (InvalidOperationException e)
        {
            // YamlDotNet 18 has no other word for a comment sign where a value belongs ([#]).
            throw new YamlException(at, at, "something is wrong right after this place", e);
        }
    }

    static RequestProblemException Refused(string path, string message, ParsingEvent at)
    {
        var errors = new FieldErrors();
        errors.Add(path.Length == 0 ? "body" : path, $"{message} (line {at.Start.Line})");
        return errors.ToProblem("configuration");
    }

    static string Tab(string text) => Array.FindIndex(text.Split('\n'), l => l.TrimStart(' ').StartsWith('\t')) is >= 0 and var index
        ? $" Line {index + 1} is indented with a tab; YAML takes spaces only."
        : "";

    static string FirstLine(string message) => message.Split('\n', 2)[0].TrimEnd('.', '\r') + ".";
}
