// Gradio mounts what a tab or an accordion holds when that is first opened, and in a later frame tells every component in
// it once more what it was mounted with. Where frames are late, something has been entered or added by then, and would be
// gone. Such a telling, known by its being of everything, is not passed on.
(() => {
  const MODULE = /\/core-[\w-]+\.js$/;
  const OPENS = "render_previously_invisible_children";
  const taken = new WeakSet();

  function found(node, id) {
    if (node.id === id) return node;
    for (const child of node.children) {
      const inside = found(child, id);
      if (inside) return inside;
    }
    return null;
  }

  // What registers a component is given by its node, so each node's is taken before its component is mounted.
  function take(node) {
    const told = node.props.shared_props;
    const { register_component: register, unregister_component: unregister } = told;
    if (register && !taken.has(register)) {
      const passed = new WeakMap(); // a component's own callback -> the one that Gradio knows
      told.register_component = (id, tell, read) => {
        if (!passed.has(tell)) passed.set(tell, (news) => "register_component" in news || tell(news));
        register(id, passed.get(tell), read);
      };
      told.unregister_component = (id, tell) => unregister(id, passed.get(tell) ?? tell);
      taken.add(told.register_component);
    }
    node.children.forEach(take);
  }

  function mend(Tree) {
    const usual = Tree.prototype[OPENS];
    Tree.prototype[OPENS] = function (id) {
      const opened = found(this.root, id);
      if (opened) take(opened);
      return usual.call(this, id);
    };
  }

  const seen = new PerformanceObserver((list) => {
    const file = list.getEntries().find(({ name }) => MODULE.test(name));
    if (!file) return;
    seen.disconnect();
    import(file.name).then((names) => Object.values(names).filter((one) => one?.prototype?.[OPENS]).forEach(mend));
  });
  seen.observe({ type: "resource", buffered: true });
})();
