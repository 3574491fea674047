using System.Text.Json;
using FluentValidation.Results;
using Microsoft.AspNetCore.Http;
using Rosetta.Api.Problems;

namespace Rosetta.Api.Bodies;

/// <summary>What is wrong with a body, by field (<c>table_syncs[0].table_name</c>); all of it, not only the first.</summary>
sealed class FieldErrors
{
    readonly Dictionary<string, List<string>> _messages = new(StringComparer.Ordinal);

    public bool Any => _messages.Count > 0;

    public bool Has(string field) => _messages.ContainsKey(field);

    public void Add(string field, string message)
    {
        if (!_messages.TryGetValue(field, out var messages)) _messages[field] = messages = [];
        if (!messages.Contains(message)) messages.Add(message);
    }

    public IReadOnlyDictionary<string, string[]> ToDictionary() => _messages.ToDictionary(m => m.Key, m => m.Value.ToArray());

    /// <summary>Adds what a validator found; <c>TableSyncs[0].TableName</c> is named as the body spells it.</summary>
    public void Add(ValidationResult result)
    {
        foreach (var failure in result.Errors)
            Add(string.Join('.', failure.PropertyName.Split('.').Select(JsonNamingPolicy.SnakeCaseLower.ConvertName)), failure.ErrorMessage);
    }

    /// <summary>Takes over the errors of a part, whose fields lie below <paramref name="path"/>; <c>body</c>, the part itself, becomes the path.</summary>
    public void AddBelow(string path, IReadOnlyDictionary<string, string[]> errors)
    {
        foreach (var (field, messages) in errors)
            foreach (var message in messages) Add(field == "body" ? path : $"{path}.{field}", message);
    }

    /// <param name="part">What the fields are of: body or query.</param>
    /// <exception cref="RequestProblemException">422 with all of them.</exception>
    public void ThrowIfAny(string part)
    {
        if (Any) throw ToProblem(part);
    }

    /// <summary>422 with all of them.</summary>
    public RequestProblemException ToProblem(string part) =>
        new(StatusCodes.Status422UnprocessableEntity, $"The {part} is not acceptable: {Summary}.", ToDictionary());

    string Summary => string.Join("; ", _messages.Take(5).Select(m => $"{m.Key}: {m.Value[0]}")) + (_messages.Count > 5 ? "; ..." : "");
}
