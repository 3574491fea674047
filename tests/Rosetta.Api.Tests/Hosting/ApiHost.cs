using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Akka.Actor;
using Akka.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Rosetta.Actors.Cluster;
using Rosetta.Actors.Cluster.Membership;
using Rosetta.Actors.Cluster.Serialization;
using Rosetta.Actors.Cluster.Views;
using Rosetta.Api.Hosting;
using Rosetta.Core.DeadLetters;
using Rosetta.Store;
using Rosetta.Store.Configuration;
using Rosetta.Store.DeadLetters;

namespace Rosetta.Api.Tests.Hosting;

/// <summary>The API as a node serves it: Kestrel on free ports, a cluster of one, a config database. Pipelines do not run here.</summary>
public sealed class ApiHost : IAsyncDisposable
{
    readonly WebApplication _app;
    readonly ConfigDatabase _database;

    ApiHost(WebApplication app, ConfigDatabase database)
    {
        _app = app;
        _database = database;
        var addresses = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.ToList();
        Client = new HttpClient { BaseAddress = new Uri(addresses[0]), Timeout = TimeSpan.FromMinutes(2) };
        Health = new HttpClient { BaseAddress = new Uri(addresses[1]), Timeout = TimeSpan.FromMinutes(2) };
    }

    /// <summary>To the API's port.</summary>
    public HttpClient Client { get; }

    /// <summary>To the health port.</summary>
    public HttpClient Health { get; }

    public IDeadLetterStore Letters => _app.Services.GetRequiredService<DeadLetterAccess>().Current!;

    public ConfigStore Store => _app.Services.GetRequiredService<ConfigStoreAccess>().Current!;

    /// <param name="open">False: the config database is not waited for.</param>
    /// <param name="letters">Where dead letters are kept; null: in the config database.</param>
    public static async Task<ApiHost> StartAsync(string configDatabase, string? keys = null, bool open = true, DeadLetterSettings? letters = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        // A busy machine is no absence.
        var database = new ConfigDatabase($"{configDatabase};Timeout=60;Command Timeout=60", NullLogger<ConfigDatabase>.Instance);
        var access = new ConfigStoreAccess(database, "a secret key of some length", "/nonexistent/secret.key", NullLoggerFactory.Instance);
        if (open) await access.OpenAsync(CancellationToken.None);
        builder.Services.AddSingleton(access);
        if (letters is not null) builder.Services.AddSingleton(letters);
        builder.Services.AddAkka(ClusterSettings.SystemName, akka => akka.ConfigureLoggers(loggers => loggers.ClearLoggers()).AddRosettaCluster(
            new ClusterSettings { Port = 0 }, ClusterDataSource.Create(configDatabase), new WireMessages([])));
        builder.Services.AddSingleton(provider => new ClusterHealth(provider.GetRequiredService<ActorSystem>()));
        builder.Services.AddSingleton<IClusterView>(provider => new ClusterView(provider.GetRequiredService<ActorSystem>()));
        builder.AddRosettaApi(ApiSettings.Create("localhost", 0, 0, keys));
        var app = builder.Build();
        app.MapRosettaApi();
        await app.StartAsync();
        return new ApiHost(app, database);
    }

    public Task<Answer> GetAsync(string path, string? key = null) => SendAsync(HttpMethod.Get, path, null, key);

    public Task<Answer> PostAsync(string path, object? body = null, string? key = null) => SendAsync(HttpMethod.Post, path, body, key);

    public Task<Answer> PutAsync(string path, object body) => SendAsync(HttpMethod.Put, path, body);

    public Task<Answer> DeleteAsync(string path) => SendAsync(HttpMethod.Delete, path, null);

    /// <param name="body">A string is sent as it is, anything else as JSON.</param>
    public async Task<Answer> SendAsync(HttpMethod method, string path, object? body, string? key = null)
    {
        using var request = new HttpRequestMessage(method, path.StartsWith('/') ? path : $"/api/v1/{path}");
        request.Content = body switch
        {
            null => null,
            string text => new StringContent(text, Encoding.UTF8, "application/json"),
            HttpContent content => content,
            _ => JsonContent.Create(body),
        };
        if (key is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        using var response = await Client.SendAsync(request);
        return await Answer.FromAsync(response);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        Health.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        await _database.DisposeAsync();
    }
}

/// <summary>What came back.</summary>
public sealed record Answer(int Status, string Text, string? ContentType, string? RetryAfter)
{
    public JsonNode Json => JsonNode.Parse(Text)!;

    public long Id => (long)Json["id"]!;

    /// <summary>The messages for a field of a 422.</summary>
    public string Error(string field) => string.Join(" ", (Json["errors"]?[field] as JsonArray ?? []).Select(m => (string)m!));

    public static async Task<Answer> FromAsync(HttpResponseMessage response) => new(
        (int)response.StatusCode, await response.Content.ReadAsStringAsync(), response.Content.Headers.ContentType?.MediaType,
        response.Headers.RetryAfter?.ToString());
}
