using Rosetta.Cli.Invocations;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Rosetta.Cli.Configuration;

/// <summary>
/// Resolves the secrets of a configuration file that are written as references, here, where the file is: <c>env:NAME</c> and <c>file:/path</c>. Only the
/// fields that hold secrets are looked at. A variable or file that is not there is left to the node, which keeps the secret it has or says what is missing.
/// </summary>
static class SecretReferences
{
    const string Variable = "env:";
    const string File = "file:";

    /// <summary>Keys and certificates are smaller.</summary>
    const long LargestFile = 64 * 1024;

    static readonly HashSet<string> Fields = new(StringComparer.Ordinal) { "pg_password", "password", "private_key", "private_key_passphrase" };

    /// <param name="yaml">The configuration file.</param>
    /// <param name="folder">Of the file: relative paths begin there.</param>
    /// <exception cref="RefusedException">A file is there and cannot be read.</exception>
    public static IReadOnlyDictionary<string, string> Resolve(string yaml, string folder)
    {
        var secrets = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var reference in Find(yaml).Distinct())
        {
            var value = reference.StartsWith(Variable, StringComparison.Ordinal)
                ? Environment.GetEnvironmentVariable(reference[Variable.Length..])
                : Read(Path.Combine(folder, reference[File.Length..]));
            // Empty is what compose files and shells make of a variable that nobody set.
            if (!string.IsNullOrEmpty(value)) secrets[reference] = value;
        }

        return secrets;
    }

    /// <summary>The references in order. A text that is no YAML has those before the place where it stops being it; the node tells what is wrong.</summary>
    public static IReadOnlyList<string> Find(string yaml)
    {
        var found = new List<string>();
        try
        {
            var parser = new Parser(new StringReader(yaml));
            // One per open collection: the key whose value comes next; empty: a key comes next; null: a list.
            var open = new Stack<string?>();
            while (parser.MoveNext())
            {
                switch (parser.Current)
                {
                    case MappingStart:
                        open.Push("");
                        break;
                    case SequenceStart:
                        open.Push(null);
                        break;
                    case MappingEnd or SequenceEnd:
                        open.Pop();
                        ValueIsOver(open);
                        break;
                    case Scalar scalar when open.TryPeek(out var key) && key is { Length: 0 } && scalar.Value.Length > 0:
                        open.Pop();
                        open.Push(scalar.Value);
                        break;
                    case Scalar scalar:
                        if (open.TryPeek(out var field) && field is not null && Fields.Contains(field) && IsReference(scalar.Value)) found.Add(scalar.Value);
                        ValueIsOver(open);
                        break;
                    case AnchorAlias:
                        ValueIsOver(open);
                        break;
                }
            }
        }
        catch (Exception e) when (e is YamlException or InvalidOperationException)
        {
            // The node tells what is wrong, with the line.
        }

        return found;
    }

    static bool IsReference(string value) => value.StartsWith(Variable, StringComparison.Ordinal) || value.StartsWith(File, StringComparison.Ordinal);

    static void ValueIsOver(Stack<string?> open)
    {
        if (!open.TryPeek(out var key) || key is null) return;
        open.Pop();
        open.Push("");
    }

    /// <summary>Without the line break that editors put at the end.</summary>
    static string? Read(string path)
    {
        try
        {
            if (!System.IO.File.Exists(path)) return null;
            if (new FileInfo(path).Length > LargestFile) throw new RefusedException($"{path} has more than {LargestFile} bytes; that is no secret");
            return System.IO.File.ReadAllText(path).TrimEnd('\r', '\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RefusedException($"{File}{path}: {e.Message}");
        }
    }
}
