using System.CommandLine;
using System.Text;
using System.Text.Json;
using Rosetta.Cli.Configuration;
using Rosetta.Cli.Invocations;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;

namespace Rosetta.Cli.Commands;

/// <summary><c>rosetta export | diff | apply</c>: all that is configured as one file.</summary>
static class ConfigCommands
{
    /// <summary>Exit code of <c>diff --exit-code</c> when something differs.</summary>
    const int Differs = 2;

    static readonly Option<string> FileOption = new("--file", "-f") { Description = "The configuration file; - for standard input", HelpName = "FILE", Required = true };

    static readonly Option<bool> PruneOption = new("--prune") { Description = "Delete what the file does not have, in the sections it has" };

    public static IEnumerable<Command> Create()
    {
        var output = new Option<string?>("--output", "-o") { Description = "File to write (default: standard output)", HelpName = "FILE" };
        var exitCode = new Option<bool>("--exit-code") { Description = $"Exit code {Differs} when something differs" };
        return
        [
            Verb.Create("export", "Sources, destinations, presets and pipelines as one YAML file, secrets as references", i => ExportAsync(i, output), output),
            Verb.Create("diff", "What applying a file would change; nothing is changed", i => DiffAsync(i, exitCode), FileOption, PruneOption, exitCode),
            Verb.Create("apply", "Makes what is configured as the file says: all of it, or nothing when a change is refused", ApplyAsync, FileOption, PruneOption),
        ];
    }

    static async Task ExportAsync(Invocation i, Option<string?> output)
    {
        var yaml = (await i.GetAsync("config")).Text;
        if (i.Value(output) is not { } path || path == "-")
        {
            i.Text(yaml);
            return;
        }

        try
        {
            await File.WriteAllTextAsync(path, yaml, i.Cancelled);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RefusedException($"--output: {e.Message}");
        }
    }

    static async Task<int> DiffAsync(Invocation i, Option<bool> exitCode)
    {
        var answer = await i.PostAsync("config/diff", await ReadAsync(i));
        var changes = Show(i, answer);
        if (changes.Any(c => c.Refused is not null)) return Verb.Failed;
        return i.Value(exitCode) && changes.Any(c => c.Kind != "none") ? Differs : 0;
    }

    static async Task<int> ApplyAsync(Invocation i)
    {
        var file = await ReadAsync(i);
        // Deletions are told, and asked about, before anything is done.
        var deletions = (await i.PostAsync("config/diff", file)).As<ConfigChanges>().Changes.Where(c => c.Kind == "delete").ToList();
        if (deletions.Count > 0) i.Confirm($"Delete {string.Join(", ", deletions.Select(d => $"{d.Object.Replace('_', ' ')} {d.Name}"))}?");
        Show(i, await i.PostAsync("config/apply", file));
        return 0;
    }

    static async Task<ConfigSubmission> ReadAsync(Invocation i)
    {
        var path = i.Value(FileOption)!;
        try
        {
            using var reader = path == "-" ? Console.In : new StreamReader(path, Encoding.UTF8);
            var yaml = await reader.ReadToEndAsync(i.Cancelled);
            var folder = path == "-" ? Environment.CurrentDirectory : Path.GetDirectoryName(Path.GetFullPath(path))!;
            return new ConfigSubmission(yaml, SecretReferences.Resolve(yaml, folder), i.Value(PruneOption));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RefusedException($"--file: {e.Message}");
        }
    }

    static IReadOnlyList<ConfigChange> Show(Invocation i, ApiAnswer answer)
    {
        var changes = answer.As<ConfigChanges>();
        if (i.Json) i.Line(Wire.Indent(answer.Text));
        else Describe(i, changes);
        return changes.Changes;
    }

    static void Describe(Invocation i, ConfigChanges changes)
    {
        foreach (var change in changes.Changes.Where(c => c.Kind != "none" || c.Refused is not null))
        {
            var sign = change.Kind switch { "create" => '+', "delete" => '-', _ => '~' };
            i.Line($"{sign} {change.Kind} {change.Object.Replace('_', ' ')} {change.Name}{(change.Line is { } line ? $"  (line {line})" : "")}");
            foreach (var field in change.Fields)
                i.Line(change.Kind == "create" ? $"    {field.Field}: {Text(field.New)}" : $"    {field.Field}: {Text(field.Old)} -> {Text(field.New)}");
            foreach (var warning in change.Warnings ?? []) i.Line($"    warning: {warning}");
            if (change.Refused is not null) i.Line($"    refused: {change.Refused}");
        }

        int Count(string kind) => changes.Changes.Count(c => c.Kind == kind);
        i.Line(
            changes.Applied
                ? $"{Count("create")} created, {Count("update")} changed, {Count("delete")} deleted, {Count("none")} as they were"
                : $"{Count("create")} to create, {Count("update")} to change, {Count("delete")} to delete, {Count("none")} as they are");
    }

    static string Text(JsonElement? value) => value switch
    {
        null or { ValueKind: JsonValueKind.Null or JsonValueKind.Undefined } => "(none)",
        { ValueKind: JsonValueKind.String } text => text.GetString()!,
        { } other => other.GetRawText(),
    };
}
