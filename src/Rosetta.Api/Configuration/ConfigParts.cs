using System.Text.Json;
using System.Text.Json.Nodes;
using FluentValidation;
using Rosetta.Api.Bodies;
using Rosetta.Api.Destinations;
using Rosetta.Api.Problems;
using Rosetta.Api.Sources;
using Rosetta.Store.Destinations;
using Rosetta.Store.Secrets;
using Rosetta.Store.Sources;

namespace Rosetta.Api.Configuration;

/// <summary>A source of the file. One of <paramref name="New"/> and <paramref name="Change"/> is set.</summary>
sealed record WantedSource(string Path, string Name, SourceDefinition? Existing, SourceDefinition Next, NewSource? New, SourceChange? Change);

/// <summary>A destination of the file. One of <paramref name="New"/> and <paramref name="Change"/> is set.</summary>
sealed record WantedDestination(
    string Path, string Name, DestinationDefinition? Existing, DestinationDefinition Next, NewDestination? New, DestinationChange? Change);

/// <summary>
/// Reads the parts of a file whose form depends on what exists: an object that exists takes the body of PUT, a new one that of POST, with the same
/// validators. Errors are gathered, the parts that have some left out.
/// </summary>
sealed class ConfigParts(ConfigSubmission submission, InstallationConfig now, FieldErrors errors)
{
    /// <summary>PUT of the API accepts and ignores them; a file has no use for them.</summary>
    static readonly string[] OfAnswersOnly = ["id", "created_at", "updated_at"];

    public IReadOnlyList<WantedSource> Sources()
    {
        var wanted = new List<WantedSource>();
        foreach (var (path, name, entry) in Entries("sources", submission.File.Sources))
        {
            var existing = now.Sources.GetValueOrDefault(name);
            SecretReferences.Resolve(entry, "pg_password", path, existing?.Password.IsSet == true, submission.Secrets, errors);
            if (existing is not null)
            {
                if (Bind(entry, path, new ChangeSourceValidator())?.ToStore() is { } change)
                    wanted.Add(new WantedSource(path, name, existing, change.ApplyTo(existing), null, change));
            }
            else if (Bind(entry, path, new CreateSourceValidator())?.ToStore() is { } add)
            {
                var next = new SourceDefinition(
                    0, add.Name, add.Host, add.Port, add.Database, add.Username, add.Password, add.SslMode, add.PublicationName, add.ReplicationName, default, default);
                wanted.Add(new WantedSource(path, name, null, next, add, null));
            }
        }

        return wanted;
    }

    public IReadOnlyList<WantedDestination> Destinations()
    {
        var wanted = new List<WantedDestination>();
        foreach (var (path, name, entry) in Entries("destinations", submission.File.Destinations))
        {
            var existing = now.Destinations.GetValueOrDefault(name);
            if (entry["config"] is JsonObject config)
            {
                foreach (var secret in SecretPlaces.DestinationFields)
                    SecretReferences.Resolve(config, secret, $"{path}.config", existing?.Config.Text(secret) is not null, submission.Secrets, errors);
            }

            try
            {
                var read = existing is null ? New(path, name, entry) : Changed(path, name, entry, existing);
                if (read is not null) wanted.Add(read);
            }
            catch (RequestProblemException e) when (e.Errors is not null)
            {
                errors.AddBelow(path, e.Errors);
            }
        }

        return wanted;
    }

    /// <summary>Says which names of a section are there twice.</summary>
    public void CheckDistinct(string section, IEnumerable<string> names, string field = "name")
    {
        var first = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (index, name) in names.Index())
        {
            if (first.TryAdd(name, index)) continue;
            errors.Add($"{section}[{index}].{field}", $"'{name}' is there twice, first at line {submission.Errors.LineOf($"{section}[{first[name]}].{field}")}");
        }
    }

    WantedDestination? New(string path, string name, JsonObject entry)
    {
        if (Bind(entry, path, new CreateDestinationValidator()) is not { } body) return null;
        var add = new NewDestination(body.Name, PostgresConfigReader.ReadType(body.Type), PostgresConfigReader.ReadNew(body.Config));
        return new WantedDestination(path, name, null, new DestinationDefinition(0, add.Name, add.Type, new DestinationConfig(add.Config), default, default), add, null);
    }

    WantedDestination? Changed(string path, string name, JsonObject entry, DestinationDefinition existing)
    {
        if (Bind(entry, path, new ChangeDestinationValidator()) is not { } body) return null;
        var change = new DestinationChange(Config: body.Config is { } config ? PostgresConfigReader.ReadChange(config) : null);
        var next = existing with
        {
            Type = body.Type is { } type ? PostgresConfigReader.ReadType(type) : existing.Type,
            Config = new DestinationConfig(change.ApplyTo(existing.Config.Fields)),
        };
        return new WantedDestination(path, name, existing, next, null, change);
    }

    IEnumerable<(string Path, string Name, JsonObject Entry)> Entries(string section, IReadOnlyList<JsonObject>? entries)
    {
        // A name that is none is told by the binder, as of a new object.
        var named = (entries ?? []).Select(e => (Name: e["name"] is JsonValue v && v.TryGetValue<string>(out var text) ? text : "", Entry: (JsonObject)e.DeepClone())).ToList();
        CheckDistinct(section, named.Select((n, index) => n.Name.Length > 0 ? n.Name : $"\0{index}"));
        foreach (var (index, (name, entry)) in named.Index())
        {
            foreach (var field in OfAnswersOnly.Where(entry.Remove)) errors.Add($"{section}[{index}].{field}", "is not known here");
            yield return ($"{section}[{index}]", name, entry);
        }
    }

    T? Bind<T>(JsonObject entry, string path, AbstractValidator<T> validator)
        where T : class
    {
        var own = new FieldErrors();
        var body = BodyBinder.Bind<T>(JsonSerializer.SerializeToElement(entry), own);
        if (body is not null) own.Add(validator.Validate(body));
        errors.AddBelow(path, own.ToDictionary());
        return own.Any ? null : body;
    }
}
