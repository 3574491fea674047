using Rosetta.Api.Bodies;
using Rosetta.Api.Problems;

namespace Rosetta.Api.Configuration;

/// <summary>Tells errors of a configuration file with the lines they are at.</summary>
sealed class ConfigErrors(YamlDocument yaml)
{
    /// <summary>Of fields that are told; a megabyte of garbage could have as many errors.</summary>
    const int Most = 100;

    public long? LineOf(string path) => yaml.LineOf(path);

    /// <exception cref="RequestProblemException">422 with path and line of each.</exception>
    public void ThrowIfAny(FieldErrors found)
    {
        if (!found.Any) return;
        var told = new FieldErrors();
        foreach (var (field, messages) in found.ToDictionary().OrderBy(m => LineOf(m.Key) ?? 0).Take(Most))
            foreach (var message in messages) told.Add(field, WithLine(field, message));
        throw told.ToProblem("configuration");
    }

    string WithLine(string field, string message)
    {
        // A number or a truth value where a text belongs: in YAML that is a matter of quotes.
        var hint = message == "must be a string" ? "; write it in quotes" : "";
        return LineOf(field) is { } line ? $"{message}{hint} (line {line})" : message + hint;
    }
}
